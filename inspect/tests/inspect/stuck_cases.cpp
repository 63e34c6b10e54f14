// SPDX-License-Identifier: MIT
// Programs that wait for ever, and programs that only seem to. `stuck_cases KIND` prints the names of the cases of a
// kind, `stuck_cases KIND NAME` runs one:
//
//     cycle    tasks wait for each other: for a mutex, an rwlock, the end of a task
//     wait     one task waits for something that does not happen
//     suspect  12 tasks wait for a lock, and a timer runs
//     alive    nothing happens for more than a second, and then something does. The program ends, and prints "done"
//
// The first three kinds print FILE:LINE of each `co_await` that does not end.
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/eddy.hpp>

/// For LeakSanitizer: the cases end in the middle of what they do.
extern "C" int __lsan_is_turned_off();
extern "C" int __lsan_is_turned_off() { return 1; }

namespace {

using namespace std::chrono_literals;
using eddy::task;
namespace sync = eddy::sync;

/// Longer than programs are let alone.
constexpr auto pause_of_program = 1500ms;

/// Makes an object that is never destroyed.
template <class T, class... Args>
T& make(Args&&... args) {
    return *new T{std::forward<Args>(args)...};
}

/// The next line has a co_await that does not end.
void waits_below(std::source_location where = std::source_location::current()) {
    std::printf("%s:%u\n", where.file_name(), static_cast<unsigned>(where.line()) + 1);
    std::fflush(stdout);
}

// ---- Executors ----

using work = std::function<task<void>()>;

const std::map<std::string, void (*)(const work&)> executors{
    {"loop",
     [](const work& of) {
         auto loop = eddy::core::builder().report_deadlocks(true).build().value();
         loop.run(of());
     }},
    {"loop_without_io",
     [](const work& of) {
         auto loop = eddy::core::builder().report_deadlocks(true).enable_io(false).build().value();
         loop.run(of());
     }},
    {"paused_loop",
     [](const work& of) {
         auto loop = eddy::core::builder().report_deadlocks(true).start_paused(true).build().value();
         loop.run(of());
     }},
    {"run", [](const work& of) { static_cast<void>(eddy::run(of())); }},
    {"pool",
     [](const work& of) {
         const auto pool = eddy::runtime::builder().report_deadlocks(true).worker_threads(3).build().value();
         pool.block_on(of());
     }},
    {"pool_without_io",
     [](const work& of) {
         const auto pool =
             eddy::runtime::builder().report_deadlocks(true).worker_threads(2).enable_io(false).build().value();
         pool.block_on(of());
     }},
    {"one_worker",
     [](const work& of) {
         const auto pool = eddy::runtime::builder().report_deadlocks(true).worker_threads(1).build().value();
         pool.spawn(of()).detach();
         pool.wait_until_idle();
     }},
    {"set", [](const work& of) {
         static_cast<void>(eddy::run([](const work& inside) -> task<void> {
             eddy::local_set set;
             co_await set.run_until(inside());
         }(of)));
     }}};

/// Spawns a task where the present one runs.
template <class W>
eddy::join_handle<void> spawn(bool is_local, W&& of) {
    return is_local ? eddy::spawn_local(std::forward<W>(of)) : eddy::spawn(std::forward<W>(of));
}

// ---- Cycles ----

/// What the tasks of a cycle share. Each has something, and waits for what the next one has.
struct ring {
    explicit ring(std::size_t count) : mutexes(count), rwlocks(count), handles(count), all_have(count) {}

    std::vector<sync::mutex<>> mutexes;
    std::vector<sync::rwlock<int>> rwlocks;
    std::vector<std::optional<eddy::join_handle<void>>> handles;
    sync::barrier all_have;
};

task<void> lock_next_mutex(ring& in, std::size_t mine, std::size_t next) {
    const auto held = co_await in.mutexes[mine].lock();
    static_cast<void>(co_await in.all_have.wait());
    waits_below();
    const auto wanted = co_await in.mutexes[next].lock();
}

task<void> write_what_next_reads(ring& in, std::size_t mine, std::size_t next) {
    const auto held = co_await in.rwlocks[mine].read();
    static_cast<void>(co_await in.all_have.wait());
    waits_below();
    const auto wanted = co_await in.rwlocks[next].write();
}

/// Locks both kinds, and waits for the kind that its number does not have.
task<void> lock_mutex_of_next_or_read(ring& in, std::size_t mine, std::size_t next) {
    const auto locked = co_await in.mutexes[mine].lock();
    const auto written = co_await in.rwlocks[mine].write();
    static_cast<void>(co_await in.all_have.wait());
    if (mine % 2 == 0) {
        waits_below();
        const auto wanted = co_await in.mutexes[next].lock();
    } else {
        waits_below();
        const auto wanted = co_await in.rwlocks[next].read();
    }
}

task<void> join_next(ring& in, std::size_t, std::size_t next) {
    static_cast<void>(co_await in.all_have.wait());
    waits_below();
    static_cast<void>(co_await *in.handles[next]);
}

using member = task<void> (*)(ring&, std::size_t, std::size_t);
const std::array<std::pair<const char*, member>, 4> members{{{"mutex", lock_next_mutex},
                                                             {"rwlock", write_what_next_reads},
                                                             {"both", lock_mutex_of_next_or_read},
                                                             {"join", join_next}}};

task<void> wait_in_cycle(member each, std::size_t count, bool is_local) {
    auto& shared = make<ring>(count);
    for (std::size_t i = 0; i < count; ++i) shared.handles[i] = spawn(is_local, each(shared, i, (i + 1) % count));
    auto [sender, receiver] = sync::oneshot<void>::channel();
    waits_below();
    static_cast<void>(co_await std::move(receiver));
}

using cases = std::map<std::string, std::function<void()>>;

/// Returns 60 of the combinations of sizes, kinds and executors.
cases cycles() {
    cases all;
    std::size_t number = 0;
    const auto add = [&](std::size_t count, const std::pair<const char*, member>& kind, std::size_t which) {
        const auto& [executor, run] =
            *std::next(executors.begin(), static_cast<std::ptrdiff_t>(which % executors.size()));
        all[std::to_string(count) + "_" + kind.first + "_" + executor] = [=, each = kind.second, call = run,
                                                                          is_local = executor == "set"] {
            call([=] { return wait_in_cycle(each, count, is_local); });
        };
    };
    for (std::size_t count = 2; count <= 10; ++count) {
        for (const auto& kind : members) {
            add(count, kind, 3 * number);
            if (number % 3 != 2) add(count, kind, 3 * number + 4);
            ++number;
        }
    }
    return all;
}

// ---- Waits that cannot end ----

task<void> receive_from_living_sender() {
    auto [sender, receiver] = sync::oneshot<int>::channel();
    waits_below();
    static_cast<void>(co_await std::move(receiver));
}
task<void> receive_from_channel() {
    auto [sender, receiver] = sync::mpsc<int>::channel(1);
    waits_below();
    static_cast<void>(co_await receiver.recv());
}
task<void> send_to_full_channel() {
    auto [sender, receiver] = sync::mpsc<int>::channel(1);
    static_cast<void>(co_await sender.send(1));
    waits_below();
    static_cast<void>(co_await sender.send(2));
}
task<void> receive_from_broadcast() {
    auto [sender, receiver] = sync::broadcast<int>::channel(4);
    waits_below();
    static_cast<void>(co_await receiver.recv());
}
task<void> wait_for_change() {
    auto [sender, receiver] = sync::watch<int>::channel(1);
    waits_below();
    static_cast<void>(co_await receiver.changed());
}
task<void> wait_for_notification() {
    sync::notify never;
    waits_below();
    co_await never.notified();
}
task<void> acquire_what_it_has() {
    sync::semaphore one(1);
    const auto held = co_await one.acquire();
    waits_below();
    const auto wanted = co_await one.acquire();
}
task<void> lock_twice() {
    sync::mutex<int> one(0);
    const auto held = co_await one.lock();
    waits_below();
    const auto wanted = co_await one.lock();
}
task<void> write_what_it_reads() {
    sync::rwlock<int> one(0);
    const auto held = co_await one.read();
    waits_below();
    const auto wanted = co_await one.write();
}
task<void> lock_what_the_heap_holds() {
    using guard = sync::mutex<int>::guard;
    auto& one = make<sync::mutex<int>>(0);
    auto first = co_await one.lock();
    static_cast<void>(new guard(std::move(first)));
    waits_below();
    const auto wanted = co_await one.lock();
}
task<void> wait_for_third_task() {
    sync::barrier two(2);
    waits_below();
    static_cast<void>(co_await two.wait());
}
task<void> wait_for_cancellation() {
    const sync::cancellation_token token;
    waits_below();
    co_await token.cancelled();
}
task<void> join_waiting_task() {
    auto other = eddy::spawn(receive_from_living_sender());
    waits_below();
    static_cast<void>(co_await other);
}
task<void> join_waiting_set() {
    eddy::join_set<void> set;
    set.spawn(wait_for_notification());
    waits_below();
    static_cast<void>(co_await set.join_next());
}
task<void> wait_for_waiting_children() {
    const auto body = [](auto& in) -> task<void> {
        in.spawn(wait_for_notification());
        in.spawn(lock_twice());
        co_return;
    };
    waits_below();
    co_await eddy::scope(body);
}
task<void> select_two_that_wait() {
    waits_below();
    static_cast<void>(co_await eddy::select(wait_for_notification(), lock_twice()));
}
task<void> wait_for_nothing() {
    waits_below();
    co_await eddy::poll_fn([](eddy::context&) -> eddy::poll_result<void> { return eddy::not_ready; });
}
/// The sleep has ended, and the socket is closed again.
task<void> wait_after_timer_and_socket() {
    co_await eddy::time::sleep(10ms);
    {
        auto listener = co_await eddy::net::tcp_listener::bind("127.0.0.1:0");
        auto peer = co_await eddy::net::tcp_stream::connect(*listener->local_addr());
        auto accepted = co_await listener->accept();
    }
    waits_below();
    co_await eddy::sync::notify().notified();
}
task<void> wait_after_thread_has_ended() {
    std::thread([] {}).join();
    waits_below();
    co_await eddy::sync::notify().notified();
}
/// The report of the stall installs a handler for a signal.
task<void> wait_after_stall() {
    std::this_thread::sleep_for(400ms);
    waits_below();
    co_await eddy::sync::notify().notified();
}
/// The thread ends later than the first look, and wakes nothing.
task<void> wait_while_thread_ends() {
    std::thread([] { std::this_thread::sleep_for(pause_of_program); }).detach();
    waits_below();
    co_await eddy::sync::notify().notified();
}

cases waits() {
    cases all;
    const auto add = [&](const char* name, task<void> (*of)(), std::initializer_list<const char*> on) {
        for (const char* const executor : on)
            all[std::string(name) + '_' + executor] = [=] { executors.at(executor)(of); };
    };
    add("oneshot", receive_from_living_sender, {"loop", "run"});
    add("receive", receive_from_channel, {"loop_without_io", "pool"});
    add("send", send_to_full_channel, {"paused_loop", "one_worker"});
    add("broadcast", receive_from_broadcast, {"set"});
    add("watch", wait_for_change, {"pool_without_io"});
    add("notify", wait_for_notification, {"loop", "set"});
    add("semaphore", acquire_what_it_has, {"run"});
    add("lock_twice", lock_twice, {"pool", "loop"});
    add("upgrade", write_what_it_reads, {"one_worker"});
    add("heap", lock_what_the_heap_holds, {"loop", "pool"});
    add("barrier", wait_for_third_task, {"loop_without_io"});
    add("cancellation", wait_for_cancellation, {"pool_without_io"});
    add("join", join_waiting_task, {"loop", "pool"});
    add("join_set", join_waiting_set, {"run"});
    add("scope", wait_for_waiting_children, {"paused_loop", "pool"});
    add("select", select_two_that_wait, {"set"});
    add("nothing", wait_for_nothing, {"run", "loop"});
    add("after_others", wait_after_timer_and_socket, {"loop", "pool"});
    add("after_thread", wait_after_thread_has_ended, {"loop"});
    add("after_stall", wait_after_stall, {"run"});
    add("thread_ends", wait_while_thread_ends, {"loop"});
    return all;
}

// ---- Suspects ----

task<void> lock_for_ever(sync::mutex<>& of) {
    waits_below();
    const auto held = co_await of.lock();
}
task<void> read_for_ever(sync::rwlock<int>& of) {
    waits_below();
    const auto held = co_await of.read();
}
task<void> acquire_for_ever(sync::semaphore& of) {
    waits_below();
    const auto held = co_await of.acquire();
}

/// Spawns 12 tasks that wait, 4 that wait for something else, and 12 that wait for no lock.
template <class Lock>
task<void> make_suspects(Lock& lock, task<void> (*each)(Lock&)) {
    static_cast<void>(eddy::report_suspected_deadlocks({.longer_than = 200ms, .at_least = 12}));
    for (int i = 0; i < 12; ++i) eddy::spawn(each(lock)).detach();
    auto& other = make<sync::mutex<>>();
    const auto held = co_await other.lock();
    for (int i = 0; i < 4; ++i) eddy::spawn([&] { return other.lock(); }).detach();
    auto& never = make<sync::notify>();
    for (int i = 0; i < 12; ++i) eddy::spawn([&] { return never.notified(); }).detach();
    co_await eddy::time::sleep(1h);
}
task<void> suspect_mutex() {
    auto& lock = make<sync::mutex<>>();
    const auto held = co_await lock.lock();
    co_await make_suspects(lock, lock_for_ever);
}
task<void> suspect_rwlock() {
    auto& lock = make<sync::rwlock<int>>(0);
    const auto held = co_await lock.write();
    co_await make_suspects(lock, read_for_ever);
}
task<void> suspect_semaphore() { co_await make_suspects(make<sync::semaphore>(0U), acquire_for_ever); }

cases suspects() {
    return {{"mutex", [] { executors.at("loop")(suspect_mutex); }},
            {"rwlock", [] { executors.at("pool")(suspect_rwlock); }},
            {"semaphore", [] { executors.at("run")(suspect_semaphore); }}};
}

// ---- Programs that only seem to wait for ever ----

void done() {
    std::puts("done");
    std::fflush(stdout);
}

/// Runs work on an executor.
std::function<void()> runs(const char* executor, const work& of) {
    return [=] {
        executors.at(executor)(of);
        done();
    };
}

/// Calls `fn` later, on a thread that eddy does not know.
template <class Fn>
void later(Fn fn) {
    std::thread([fn = std::move(fn)]() mutable {
        std::this_thread::sleep_for(pause_of_program);
        fn();
    }).detach();
}

task<void> receive_from_thread() {
    auto [sender, receiver] = sync::oneshot<int>::channel();
    later([to = std::move(sender)]() mutable { static_cast<void>(std::move(to).send(1)); });
    static_cast<void>(co_await std::move(receiver));
}
task<void> wait_for_waker_of_thread() {
    const auto is_due = std::make_shared<std::atomic<bool>>(false);
    auto waiting = eddy::poll_fn([=](eddy::context& cx) -> eddy::poll_result<void> {
        if (is_due->load()) return eddy::poll_result<void>::ready();
        later([=, wake = cx.waker()] {
            is_due->store(true);
            wake.wake_by_ref();
        });
        return eddy::not_ready;
    });
    co_await waiting;
}
task<void> wait_for_far_timer() { co_await eddy::time::sleep(pause_of_program); }
task<void> wait_for_task_with_timer() {
    auto [sender, receiver] = sync::oneshot<int>::channel();
    eddy::spawn([](sync::oneshot<int>::sender to) -> task<void> {
        co_await wait_for_far_timer();
        static_cast<void>(std::move(to).send(1));
    }(std::move(sender)))
        .detach();
    static_cast<void>(co_await std::move(receiver));
}
task<void> wait_for_blocking_job() {
    static_cast<void>(co_await eddy::spawn_blocking([] { std::this_thread::sleep_for(pause_of_program); }));
}
/// Another process writes to the pipe.
task<void> read_from_other_process() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) co_return;
    if (fork() == 0) {
        usleep(1'500'000);
        _exit(write(ends[1], "x", 1) == 1 ? 0 : 1);
    }
    eddy::io::async_fd<eddy::io::fd_view> from{eddy::io::fd_view(ends[0])};
    static_cast<void>(co_await from.wait_readable());
}
/// Another process connects, and then sends a byte.
task<void> read_from_peer() {
    auto listener = co_await eddy::net::tcp_listener::bind("127.0.0.1:0");
    const auto port = static_cast<std::uint16_t>(listener->local_addr()->port());
    if (fork() == 0) {
        const int fd = socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        usleep(1'500'000);
        if (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) _exit(1);
        usleep(1'500'000);
        _exit(write(fd, "x", 1) == 1 ? 0 : 1);
    }
    auto peer = co_await listener->accept();
    listener = std::unexpected(std::error_code());  // closes it
    std::array<std::byte, 1> byte{};
    static_cast<void>(co_await peer->stream.read(byte));
}
/// Another process sends a signal.
task<void> wait_for_signal() {
    auto hangups = eddy::signal::stream(eddy::signal::kind::hangup());
    const pid_t me = getpid();
    if (fork() == 0) {
        usleep(1'500'000);
        _exit(kill(me, SIGHUP));
    }
    static_cast<void>(co_await hangups->next());
}
/// The handler ends the program.
task<void> wait_for_handler() {
    static_cast<void>(std::signal(SIGALRM, [](int) {
        static_cast<void>(!write(STDOUT_FILENO, "done\n", 5));
        _exit(0);
    }));
    alarm(2);
    co_await sync::notify().notified();
}
task<void> break_cycle_by_timeout() {
    sync::mutex<int> one(0);
    const auto held = co_await one.lock();
    static_cast<void>(co_await eddy::time::timeout(pause_of_program, one.lock()));
}
task<void> break_cycle_by_select() {
    sync::mutex<int> one(0);
    const auto held = co_await one.lock();
    static_cast<void>(co_await eddy::select(one.lock(), wait_for_far_timer()));
}
task<void> break_cycle_by_abort() {
    auto stuck = eddy::spawn([]() -> task<void> {
        sync::mutex<int> one(0);
        const auto held = co_await one.lock();
        const auto wanted = co_await one.lock();
    }());
    co_await wait_for_far_timer();
    stuck.abort();
    static_cast<void>(co_await stuck);
}
task<void> write_after_last_reader() {
    auto& one = make<sync::rwlock<int>>(0);
    auto other = eddy::spawn([](sync::rwlock<int>& of) -> task<void> {
        const auto held = co_await of.read();
        co_await wait_for_far_timer();
    }(one));
    {
        const auto held = co_await one.read();
        co_await eddy::yield_now();
    }
    const auto written = co_await one.write();
    static_cast<void>(co_await other);
}
/// A thread has the guard, on the heap.
task<void> lock_what_thread_holds() {
    using guard = sync::mutex<int>::guard;
    auto& one = make<sync::mutex<int>>(0);
    auto first = co_await one.lock();
    later([held = std::make_unique<guard>(std::move(first))]() mutable { held.reset(); });
    const auto second = co_await one.lock();
}
/// Work that arrives through a handle which a thread keeps.
task<void> wait_for_handle_of_thread() {
    auto& never = make<sync::notify>();
    later([&never, to = eddy::handle::current()] {
        to.spawn([&never]() -> task<void> {
              never.notify_one();
              co_return;
          }).detach();
    });
    co_await never.notified();
}
task<void> wait_for_remote_of_thread() {
    auto& never = make<sync::notify>();
    later([&never, to = eddy::core_handle::current().remote()] {
        static_cast<void>(to.spawn([&never]() -> task<void> {
            never.notify_one();
            co_return;
        }));
    });
    co_await never.notified();
}
/// The only timer is in the event loop of another thread.
void wake_from_other_loop() {
    sync::notify never;
    std::thread other([&never] {
        auto loop = eddy::core::builder().report_deadlocks(true).build().value();
        loop.run([](sync::notify& to) -> task<void> {
            co_await wait_for_far_timer();
            to.notify_one();
        }(never));
    });
    executors.at("loop")([&]() -> task<void> { co_await never.notified(); });
    other.join();
    done();
}
/// The only thread that waits outside of a runtime has the sender.
void wake_from_main_thread() {
    sync::notify never;
    std::thread other([&never] { executors.at("pool")([&]() -> task<void> { co_await never.notified(); }); });
    std::this_thread::sleep_for(pause_of_program);
    never.notify_one();
    other.join();
    done();
}
/// A hook wakes a task when the loop has slept for some time.
void wake_in_hook() {
    sync::notify never;
    int parks = 0;
    auto loop = eddy::core::builder()
                    .report_deadlocks(true)
                    .on_thread_unpark([&] {
                        if (++parks == 2) never.notify_one();
                    })
                    .build()
                    .value();
    loop.run([](sync::notify& of) -> task<void> { co_await of.notified(); }(never));
    done();
}
/// A forked child with a loop of its own, while the parent only waits for the child.
void wake_in_child() {
    executors.at("run")([]() -> task<void> { co_return; });
    const pid_t child = fork();
    if (child == 0) {
        executors.at("loop")(receive_from_thread);
        _exit(0);
    }
    eddy::wait(eddy::ready());
    static_cast<void>(waitpid(child, nullptr, 0));
    done();
}
/// A driver that runs on a thread of its own.
void wake_by_background_reactor() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return;
    eddy::core::builder().report_deadlocks(true).build().value().run(eddy::ready());
    const auto driver = eddy::reactor::make().value().background().value();
    static_cast<void>(eddy::reactor_handle::set_fallback(driver.handle()));
    eddy::io::async_fd<eddy::io::fd_view> from{eddy::io::fd_view(ends[0])};
    if (fork() == 0) {
        usleep(1'500'000);
        _exit(write(ends[1], "x", 1) == 1 ? 0 : 1);
    }
    static_cast<void>(eddy::wait(from.wait_readable()));
    done();
}

cases alive() {
    cases all;
    for (const char* const executor : {"loop", "pool", "run"}) {
        const std::string on = std::string("_") + executor;
        all["thread" + on] = runs(executor, receive_from_thread);
        all["waker" + on] = runs(executor, wait_for_waker_of_thread);
        all["timer" + on] = runs(executor, wait_for_far_timer);
        all["other_timer" + on] = runs(executor, wait_for_task_with_timer);
        all["blocking_job" + on] = runs(executor, wait_for_blocking_job);
        all["descriptor" + on] = runs(executor, read_from_other_process);
        all["peer" + on] = runs(executor, read_from_peer);
        all["signal" + on] = runs(executor, wait_for_signal);
        all["handler" + on] = runs(executor, wait_for_handler);
        all["timeout" + on] = runs(executor, break_cycle_by_timeout);
        all["select" + on] = runs(executor, break_cycle_by_select);
        all["abort" + on] = runs(executor, break_cycle_by_abort);
        all["readers" + on] = runs(executor, write_after_last_reader);
        all["guard" + on] = runs(executor, lock_what_thread_holds);
    }
    all["handle"] = runs("pool", wait_for_handle_of_thread);
    all["remote"] = runs("loop", wait_for_remote_of_thread);
    all["timer_set"] = runs("set", wait_for_far_timer);
    all["thread_set"] = runs("set", receive_from_thread);
    all["thread_without_io"] = runs("pool_without_io", receive_from_thread);
    all["other_loop"] = wake_from_other_loop;
    all["main_thread"] = wake_from_main_thread;
    all["hook"] = wake_in_hook;
    all["child"] = wake_in_child;
    all["background_reactor"] = wake_by_background_reactor;
    return all;
}

}  // namespace

int main(int argc, char** argv) {
    const std::map<std::string, cases (*)()> kinds{
        {"cycle", cycles}, {"wait", waits}, {"suspect", suspects}, {"alive", alive}};
    const auto kind = kinds.find(argc > 1 ? argv[1] : "");
    if (kind == kinds.end()) return 2;
    const cases all = kind->second();
    if (argc == 2) {
        for (const auto& [name, run] : all) std::puts(name.c_str());
        return 0;
    }
    all.at(argv[2])();
}
