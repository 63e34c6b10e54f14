// The check for closures also works through other adaptors and try_.
//
// only: gcc12
// expect-error: static assertion failed
// expect-error: name the future first
#include <eddy/future/poll_fn.hpp>
#include <eddy/future/select.hpp>
#include <eddy/task/task.hpp>

#include <memory>

using answer = eddy::poll_result<eddy::result<int>>;

eddy::task<eddy::result<int>> use(std::unique_ptr<int> p) {
#ifdef EDDY_CONTROL
    auto work = eddy::race(eddy::poll_fn([p = std::move(p)](eddy::context&) -> answer {
                               return eddy::ok(*p);
                           }).map([](int i) { return i; }));
    co_return co_await eddy::try_(work);
#else
    co_return co_await eddy::try_(eddy::race(eddy::poll_fn([p = std::move(p)](eddy::context&) -> answer {
                                                 return eddy::ok(*p);
                                             }).map([](int i) { return i; })));
#endif
}
