// A function of the library that returns a task: the text is that of the task.
//
// expect-error: a task does nothing until it is awaited, spawned or run
// only-error
#pragma GCC diagnostic error "-Wunused-result"
#include <eddy/http/client.hpp>
#include <eddy/task/task.hpp>

eddy::task<void> use(eddy::http::client& web) {
#ifdef EDDY_CONTROL
    static_cast<void>(co_await web.get("http://127.0.0.1/"));
#else
    web.get("http://127.0.0.1/");
    co_return;
#endif
}
