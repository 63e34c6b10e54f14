// The function of try_fold does not take the value of an item.
//
// expect-error: static assertion failed
// expect-error: eddy: try_fold needs a function that takes the state, and the value of an item
// only-error
#include <eddy/result.hpp>
#include <eddy/stream.hpp>
#include <eddy/task/task.hpp>

#include <string>

eddy::task<eddy::result<int>> use(eddy::streams::once_stream<eddy::result<int>> items) {
#ifdef EDDY_CONTROL
    co_return co_await std::move(items).try_fold(0, [](int state, int i) { return state + i; });
#else
    co_return co_await std::move(items).try_fold(0, [](int state, const std::string& s) { return state + s.size(); });
#endif
}
