// expect-error: static assertion failed
// expect-error: eddy: join has several outputs: write try_(try_join(a, b))
// only-error
#include <eddy/future/join.hpp>
#include <eddy/task/task.hpp>

eddy::task<eddy::result<int>> number();

eddy::task<eddy::result<void>> use() {
#ifdef EDDY_CONTROL
    static_cast<void>(co_await eddy::try_(eddy::try_join(number(), number())));
#else
    static_cast<void>(co_await eddy::try_(eddy::join(number(), number())));
#endif
    co_return eddy::ok();
}
