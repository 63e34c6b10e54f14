// A boxed_future that is made directly from a marked future would lose the mark.
//
// only: gcc12
// expect-error: static assertion failed
// expect-error: eddy: GCC 12 destroys a closure's captures twice inside a co_await expression; name the future first
#include <eddy/future/boxed_future.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>

#include <expected>
#include <memory>

using output = std::expected<int, eddy::join_error>;

eddy::task<int> use(std::unique_ptr<int> p) {
#ifdef EDDY_CONTROL
    eddy::boxed_future<output> work = eddy::spawn([p = std::move(p)] { return *p; });
    const auto got = co_await work;
#else
    const auto got = co_await eddy::boxed_future<output>(eddy::spawn([p = std::move(p)] { return *p; }));
#endif
    co_return got.value();
}
