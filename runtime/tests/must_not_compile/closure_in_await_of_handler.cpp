// The same, for a function that makes the future of a branch with a handler.
//
// only: gcc12
// expect-error: static assertion failed
// expect-error: eddy: GCC 12 destroys the captures of a lambda twice if it is written in a co_await expression: name the future first, `auto task = eddy::spawn(...);`, and then await it
// only-error
#include <eddy/future/on.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/select.hpp>
#include <eddy/task/task.hpp>

#include <memory>

eddy::task<int> use(std::shared_ptr<int> p) {
    const auto same = [](int i) { return i; };
#ifdef EDDY_CONTROL
    auto first = eddy::select(eddy::on([p] { return eddy::ready(*p); }, same), eddy::on(eddy::pending<int>(), same));
    co_return co_await first;
#else
    co_return co_await eddy::select(eddy::on([p] { return eddy::ready(*p); }, same),
                                    eddy::on(eddy::pending<int>(), same));
#endif
}
