// SPDX-License-Identifier: MIT
// A core inside of a GLib main loop, as in a GTK program: tasks and GLib's own sources run on one thread.
//     $ ./glib_loop          (needs libglib2.0-dev)
//     glib: click 1
//     task: received click 1
//     ...
//     task: no more clicks
#include <eddy/prelude.hpp>

#include <glib.h>

#include <chrono>
#include <cstdio>
#include <utility>

namespace {

using namespace std::chrono_literals;
using eddy::task;
using clicks = eddy::sync::mpsc<int>;

/// A GSource that lets a core run. GLib calls its functions around each wait.
class core_source {
public:
    explicit core_source(eddy::core& core) : source_(g_source_new(&functions, sizeof(data))) {
        get(source_).core = &core;
        g_source_add_unix_fd(source_, core.native_handle(), G_IO_IN);
        g_source_attach(source_, nullptr);
    }
    core_source(const core_source&) = delete;
    core_source& operator=(const core_source&) = delete;
    ~core_source() {
        g_source_destroy(source_);
        g_source_unref(source_);
    }

private:
    struct data {
        GSource base;  // GLib allocates the object, and passes the address of this part
        eddy::core* core;
    };
    static data& get(GSource* source) { return *reinterpret_cast<data*>(source); }

    /// GLib calls it directly before a wait, which ends at the ready time, or when the descriptor is readable.
    static gboolean prepare(GSource* source, gint* timeout) {
        *timeout = -1;
        const auto deadline = get(source).core->next_deadline();
        // GLib counts in microseconds of the monotonic clock, which is also that of std::chrono::steady_clock.
        using microseconds = std::chrono::microseconds;
        const auto at = deadline ? std::chrono::ceil<microseconds>(deadline->time_since_epoch()).count() : -1;
        g_source_set_ready_time(source, at);
        return 0;
    }
    /// GLib calls it after the wait. Runs the tasks that are ready, and does not wait.
    static gboolean dispatch(GSource* source, GSourceFunc, gpointer) {
        get(source).core->turn(0ns);
        return G_SOURCE_CONTINUE;
    }
    static inline GSourceFuncs functions{prepare, nullptr, dispatch, nullptr, nullptr, nullptr};

    GSource* source_;
};

task<void> receive_clicks(clicks::receiver from, GMainLoop* loop) {
    while (auto click = co_await from.recv()) {
        co_await eddy::time::sleep(5ms);  // a timer of eddy
        std::printf("task: received click %d\n", *click);
    }
    std::puts("task: no more clicks");
    g_main_loop_quit(loop);
}

/// A callback of GLib that runs every 20 ms. It stands for a button.
gboolean click(gpointer data) {
    static int count = 0;
    auto& to = *static_cast<std::optional<clicks::sender>*>(data);
    std::printf("glib: click %d\n", ++count);
    static_cast<void>(to->try_send(count));  // wakes the task, which runs in the next iteration of GLib
    if (count == 3) to.reset();
    return count < 3 ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

}  // namespace

int main() {
    GMainLoop* const loop = g_main_loop_new(nullptr, 0);
    {
        eddy::core core;
        auto [sender, receiver] = clicks::channel(8);
        static_cast<void>(core.handle().spawn(receive_clicks(std::move(receiver), loop)));
        const core_source watched(core);
        std::optional<clicks::sender> button(std::move(sender));
        g_timeout_add(20, click, &button);
        g_main_loop_run(loop);
    }
    g_main_loop_unref(loop);
}
