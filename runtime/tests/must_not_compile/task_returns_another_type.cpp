// expect-error: static assertion failed
// expect-error: eddy: this value does not convert to the output of the coroutine
// only-error
#include <eddy/task/task.hpp>

#include <string>

eddy::task<std::string> use() {
#ifdef EDDY_CONTROL
    co_return "text";
#else
    co_return 7.5;
#endif
}
