// expect-error: static assertion failed
// expect-error: eddy: spawn moves the work to where it runs, and this cannot be moved: spawn a lambda that makes it
// only-error
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>

struct fixed {
    using output_type = int;
    fixed() {}
    fixed(fixed&&) = delete;
    eddy::poll_result<int> poll(eddy::context&) { return 1; }
};

eddy::task<int> use() {
#ifdef EDDY_CONTROL
    auto work = eddy::spawn([]() -> eddy::task<int> {
        fixed made;
        co_return co_await made;
    });
    auto output = co_await work;
#else
    auto output = co_await eddy::spawn(fixed());
#endif
    co_return output ? *output + 1 : 0;
}
