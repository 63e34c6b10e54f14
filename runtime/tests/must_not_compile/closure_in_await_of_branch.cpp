// The same, for a function that makes the future of a branch of a select.
//
// only: gcc12
// expect-error: static assertion failed
// expect-error: eddy: GCC 12 destroys the captures of a lambda twice if it is written in a co_await expression: name the future first, `auto task = eddy::spawn(...);`, and then await it
// only-error
#include <eddy/future/ready.hpp>
#include <eddy/future/select.hpp>
#include <eddy/future/when.hpp>
#include <eddy/task/task.hpp>

#include <memory>

eddy::task<int> use(std::shared_ptr<int> p) {
#ifdef EDDY_CONTROL
    auto first = eddy::select(eddy::when(*p > 0, [p] { return eddy::ready(*p); }), eddy::otherwise());
    co_return static_cast<int>((co_await first).index());
#else
    const auto first = co_await eddy::select(eddy::when(*p > 0, [p] { return eddy::ready(*p); }), eddy::otherwise());
    co_return static_cast<int>(first.index());
#endif
}
