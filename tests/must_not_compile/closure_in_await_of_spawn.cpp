// The handle that spawn() returns for a closure, and combinators of this handle, are marked futures.
//
// only: gcc12
// expect-error: static assertion failed
// expect-error: eddy: GCC 12 destroys a closure's captures twice inside a co_await expression; name the future first
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>

#include <memory>

eddy::task<int> use(std::unique_ptr<int> p) {
#ifdef EDDY_CONTROL
    auto work = eddy::spawn([p = std::move(p)] { return *p; }).map([](int i) { return i; });
    const auto got = co_await work;
#else
    const auto got = co_await eddy::spawn([p = std::move(p)] { return *p; }).map([](int i) { return i; });
#endif
    co_return got.value();
}
