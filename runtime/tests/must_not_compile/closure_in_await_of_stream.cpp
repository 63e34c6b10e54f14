// The same, for the adaptors of a stream.
//
// only: gcc12
// expect-error: static assertion failed
// expect-error: eddy: GCC 12 destroys the captures of a lambda twice if it is written in a co_await expression: name the future first, `auto task = eddy::spawn(...);`, and then await it
// only-error
#include <eddy/stream.hpp>
#include <eddy/task/task.hpp>

#include <memory>

eddy::task<int> use(std::unique_ptr<int> p) {
#ifdef EDDY_CONTROL
    auto sum = eddy::streams::of(1, 2).map([p = std::move(p)](int i) { return *p + i; }).take(2).count();
    co_return static_cast<int>(co_await sum);
#else
    co_return static_cast<int>(
        co_await eddy::streams::of(1, 2).map([p = std::move(p)](int i) { return *p + i; }).take(2).count());
#endif
}
