// SPDX-License-Identifier: MIT
// runs: once
#include "reactor/choose.hpp"

#include <grp.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <barrier>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/prelude.hpp>
#include <eddy/runtime/core_thread.hpp>

#include <support/deny_io_uring.hpp>
#include <support/environment.hpp>
#include <support/limit.hpp>
#include <support/net.hpp>
#include <support/system.hpp>

#include "reactor/ring/ring_support.hpp"
#include "sys/available.hpp"

// Tests which driver is chosen and the reason that is reported: the decision alone, the probe of the kernel (real
// answers, answers of a seccomp filter, and simulated older kernels), and both together in processes that may not
// create a ring.

namespace {

using namespace std::chrono_literals;
using eddy::driver_kind;
using eddy::errc;
using eddy::detail::choose_after;
using eddy::detail::choose_and_make;
using eddy::detail::decide_driver;
using eddy::detail::driver_choice;
using eddy::detail::probe_ring;
using eddy::detail::refusal_for;
using eddy::detail::ring_answer;
using eddy::detail::ring_needs;
using eddy::detail::ring_refusal;
using eddy::detail::ring_support;
using support::environment;

std::error_code code(std::errc error) { return std::make_error_code(error); }

// ---- The decision ----

int asked = 0;

ring_answer allowed() noexcept {
    ++asked;
    return {};
}

ring_answer forbidden() noexcept {
    ++asked;
    return std::unexpected(refusal_for(std::make_error_code(std::errc::operation_not_permitted)));
}

constexpr std::string_view why_forbidden =
    "epoll: io_uring is forbidden here (EPERM: a container's seccomp filter, or kernel.io_uring_disabled)";

void expect_choice(const eddy::result<driver_choice>& choice, driver_kind kind, std::string_view why) {
    ASSERT_TRUE(choice.has_value()) << choice.error().message();
    EXPECT_EQ(choice->kind, kind);
    EXPECT_EQ(choice->why, why);
}

TEST(DriverChoice, DefaultIsEpoll) {
    asked = 0;
    expect_choice(decide_driver({}, "", allowed), driver_kind::epoll, "epoll: the default on Linux");
    EXPECT_EQ(asked, 0);
}

TEST(DriverChoice, EnvironmentNamesTheDriver) {
    expect_choice(decide_driver({}, "epoll", forbidden), driver_kind::epoll, "epoll: asked for by EDDY_DRIVER");
    expect_choice(decide_driver({}, "io_uring", allowed), driver_kind::io_uring, "io_uring: asked for by EDDY_DRIVER");
    expect_choice(decide_driver({}, "auto", allowed), driver_kind::io_uring,
                  "io_uring: it is allowed here, and has what is needed");
    expect_choice(decide_driver({}, "auto", forbidden), driver_kind::epoll, why_forbidden);
    expect_choice(decide_driver({}, "poll", forbidden), driver_kind::poll, "poll: asked for by EDDY_DRIVER");
    if constexpr (EDDY_HAS_KQUEUE != 0) {
        expect_choice(decide_driver({}, "kqueue", forbidden), driver_kind::kqueue, "kqueue: asked for by EDDY_DRIVER");
    } else {
        EXPECT_EQ(decide_driver({}, "kqueue", allowed).error(), errc::unknown_driver);
    }
    for (const auto* unknown : {"abacus", "automatic", "Epoll", "epoll ", "iouring", "Kqueue"}) {
        EXPECT_EQ(decide_driver({}, unknown, allowed).error(), errc::unknown_driver) << unknown;
    }
    EXPECT_EQ(make_error_code(errc::unknown_driver).message(),
              "the environment's EDDY_DRIVER names no driver: there are epoll, io_uring, poll and auto");
}

TEST(DriverChoice, BuilderOverridesTheEnvironment) {
    for (const auto* named : {"", "epoll", "io_uring", "auto", "abacus"}) {
        expect_choice(decide_driver(driver_kind::epoll, named, forbidden), driver_kind::epoll,
                      "epoll: asked for by the builder");
        expect_choice(decide_driver(driver_kind::io_uring, named, allowed), driver_kind::io_uring,
                      "io_uring: asked for by the builder");
        expect_choice(decide_driver(driver_kind::poll, named, forbidden), driver_kind::poll,
                      "poll: asked for by the builder");
        expect_choice(decide_driver(driver_kind::automatic, named, allowed), driver_kind::io_uring,
                      "io_uring: it is allowed here, and has what is needed");
        expect_choice(decide_driver(driver_kind::automatic, named, forbidden), driver_kind::epoll, why_forbidden);
    }
}

TEST(DriverChoice, RefusedIoUringIsAnErrorIfNamed) {
    EXPECT_EQ(decide_driver(driver_kind::io_uring, "", forbidden).error(), std::errc::operation_not_permitted);
    EXPECT_EQ(decide_driver({}, "io_uring", forbidden).error(), std::errc::operation_not_permitted);
}

TEST(DriverChoice, KernelIsProbedOnlyIfIoUringIsConsidered) {
    asked = 0;
    static_cast<void>(decide_driver({}, "epoll", allowed));
    static_cast<void>(decide_driver(driver_kind::epoll, "auto", allowed));
    static_cast<void>(decide_driver({}, "abacus", allowed));
    EXPECT_EQ(asked, 0);
    static_cast<void>(decide_driver({}, "auto", allowed));
    static_cast<void>(decide_driver(driver_kind::io_uring, "epoll", allowed));
    EXPECT_EQ(asked, 2);
}

TEST(DriverChoice, EachRefusalHasItsOwnMessage) {
    const std::vector<std::pair<std::errc, std::string_view>> known = {
        {std::errc::operation_not_permitted, why_forbidden},
        {std::errc::permission_denied, "epoll: io_uring is forbidden here (EACCES: a security module of the kernel)"},
        {std::errc::function_not_supported, "epoll: this kernel has no io_uring (ENOSYS)"},
        {std::errc::not_enough_memory, "epoll: no memory may be locked for a ring (ENOMEM: RLIMIT_MEMLOCK)"},
        {std::errc::too_many_files_open, "epoll: there was no descriptor left for a ring (EMFILE or ENFILE)"},
        {std::errc::too_many_files_open_in_system, "epoll: there was no descriptor left for a ring (EMFILE or ENFILE)"},
        {std::errc::io_error, "epoll: the kernel refused a ring, with an error that eddy does not know"},
    };
    for (const auto& [error, why] : known) {
        EXPECT_EQ(refusal_for(code(error)).why, why);
        EXPECT_EQ(refusal_for(code(error)).error, error) << why;
    }
}

// ---- The chosen driver cannot be created ----

constexpr driver_choice automatic_ring{driver_kind::io_uring, "io_uring: it is allowed here, and has what is needed",
                                       true};

TEST(DriverChoice, AutomaticFallsBackToEpollIfRingCreationFails) {
    expect_choice(choose_after(automatic_ring, code(std::errc::not_enough_memory)), driver_kind::epoll,
                  "epoll: no memory may be locked for a ring (ENOMEM: RLIMIT_MEMLOCK)");
    const auto by_name = decide_driver({}, "io_uring", allowed).value();
    EXPECT_EQ(choose_after(by_name, code(std::errc::not_enough_memory)).error(), std::errc::not_enough_memory);
}

/// Creates epoll but no rings. Records the requested drivers.
struct maker {
    std::vector<driver_kind> asked_for;
    bool has_epoll = true;

    eddy::result<void> operator()(driver_kind kind) {
        asked_for.push_back(kind);
        if (kind == driver_kind::io_uring) return std::unexpected(code(std::errc::not_enough_memory));
        if (!has_epoll) return std::unexpected(code(std::errc::too_many_files_open));
        return eddy::ok();
    }
};

TEST(DriverChoice, OnlyAutomaticRetriesFailedCreationWithEpoll) {
    if (const auto ring = ring_support(); !ring) GTEST_SKIP() << ring.error().why;
    const auto make = [](maker& with, driver_kind wanted) { return choose_and_make(wanted, std::ref(with)); };
    maker no_rings;
    expect_choice(make(no_rings, driver_kind::automatic), driver_kind::epoll,
                  "epoll: no memory may be locked for a ring (ENOMEM: RLIMIT_MEMLOCK)");
    EXPECT_EQ(no_rings.asked_for, (std::vector{driver_kind::io_uring, driver_kind::epoll}));
    maker by_name;
    EXPECT_EQ(make(by_name, driver_kind::io_uring).error(), std::errc::not_enough_memory);
    EXPECT_EQ(by_name.asked_for, std::vector{driver_kind::io_uring});
    maker nothing;
    nothing.has_epoll = false;
    EXPECT_EQ(make(nothing, driver_kind::automatic).error(), std::errc::too_many_files_open);
    EXPECT_EQ(nothing.asked_for, (std::vector{driver_kind::io_uring, driver_kind::epoll}));
}

// ---- Kernel features ----

/// Returns the message for a kernel without `name`.
std::string lacks(std::string_view name) {
    return "epoll: this kernel's io_uring lacks " + std::string(name) + " (Linux 6.1 has it)";
}

class RingSupport : public testing::Test {
protected:
    void SetUp() override {
        if (const auto ring = ring_support(); !ring) GTEST_SKIP() << ring.error().why;
    }
};

// covers: R108
TEST_F(RingSupport, EachMissingKernelFeatureHasItsOwnMessage) {
    const auto all_needs = ring_needs();
    ASSERT_EQ(all_needs.size(), 17u);
    for (const auto name : all_needs) {
        const auto answer = probe_ring({name});
        ASSERT_FALSE(answer.has_value()) << name;
        EXPECT_EQ(answer.error().why, lacks(name));
        EXPECT_EQ(answer.error().error, errc::driver_unavailable);
        EXPECT_EQ(answer.error().error, std::errc::not_supported);
    }
    EXPECT_TRUE(probe_ring().has_value());
}

// covers: R108
TEST_F(RingSupport, OldestMissingFeatureIsNamed) {
    const auto linux_5_15 =
        probe_ring({"IORING_FEAT_CQE_SKIP", "IORING_SETUP_SUBMIT_ALL", "IORING_SETUP_SINGLE_ISSUER",
                    "IORING_SETUP_DEFER_TASKRUN", "IORING_SETUP_TASKRUN_FLAG", "IORING_REGISTER_PBUF_RING"});
    ASSERT_FALSE(linux_5_15.has_value());
    EXPECT_EQ(linux_5_15.error().why, lacks("IORING_SETUP_SUBMIT_ALL"));
    const auto linux_6_0 = probe_ring({"IORING_SETUP_DEFER_TASKRUN"});
    ASSERT_FALSE(linux_6_0.has_value());
    EXPECT_EQ(linux_6_0.error().why, lacks("IORING_SETUP_DEFER_TASKRUN"));
}

// covers: R108
TEST_F(RingSupport, MissingFeatureMeansEpollOrAnError) {
    const auto ask = []() noexcept { return probe_ring({"IORING_OP_RECV"}); };
    expect_choice(decide_driver({}, "auto", ask), driver_kind::epoll, lacks("IORING_OP_RECV"));
    EXPECT_EQ(decide_driver({}, "io_uring", ask).error(), errc::driver_unavailable);
}

TEST_F(RingSupport, ProbeLeavesNoDescriptorOpen) {
    const auto before = support::count_fds();
    for (int i = 0; i < 20; ++i) {
        EXPECT_TRUE(probe_ring().has_value());
        for (const auto name : ring_needs()) EXPECT_FALSE(probe_ring({name}).has_value());
    }
    EXPECT_EQ(support::count_fds(), before);
}

// ring_support() caches its first answer, so this test needs a process in which nothing has called it yet.
TEST(RingSupportOwnProcess, ConcurrentFirstCallsGiveOneAnswer) {
    std::array<ring_answer, 8> answers;
    std::barrier start(static_cast<std::ptrdiff_t>(answers.size()));
    std::vector<std::thread> threads;
    for (auto& answer : answers) {
        threads.emplace_back([&] {
            start.arrive_and_wait();
            answer = ring_support();
        });
    }
    for (auto& each : threads) each.join();
    for (const auto& answer : answers) {
        ASSERT_EQ(answer.has_value(), answers[0].has_value());
        if (!answer) {
            EXPECT_EQ(answer.error().why, answers[0].error().why);
        }
    }
}

// ---- Event loops and runtimes ----

const std::string sent(1000, 'x');

eddy::task<eddy::result<void>> serve_one(eddy::net::tcp_listener& listener) {
    auto client = co_await eddy::try_(listener.accept());
    std::array<std::byte, 16> buffer;
    for (;;) {
        const auto count = co_await eddy::try_(client.stream.read(buffer));
        if (count == 0) co_return eddy::ok();
        co_await eddy::try_(client.stream.write_all(std::span(buffer).first(count)));
    }
}

eddy::task<eddy::result<std::string>> talk(eddy::net::socket_addr to) {
    auto stream = co_await eddy::try_(eddy::net::tcp_stream::connect(to));
    std::string got(sent.size(), '\0');
    co_await eddy::try_(stream.write_all(std::as_bytes(std::span(sent))));
    co_await eddy::try_(stream.read_exact(std::as_writable_bytes(std::span(got))));
    co_return got;
}

/// Drops an accept when a timer fires, then echoes the bytes of a client. Returns the bytes that the client received.
eddy::task<eddy::result<std::string>> echo() {
    auto listener = co_await eddy::try_(eddy::net::tcp_listener::bind("127.0.0.1:0"));
    auto first = co_await eddy::select(eddy::time::sleep(1ms), listener.accept());
    if (first.index() != 0) co_return std::unexpected(code(std::errc::io_error));
    auto both = co_await eddy::try_(eddy::try_join(serve_one(listener), talk(listener.local_addr().value())));
    co_return std::move(both.second);
}

/// Expects that an event loop and a runtime use the driver `kind`, report `why`, and work.
void expect_driver_works(eddy::result<eddy::core> loop, eddy::result<eddy::runtime> pool, driver_kind kind,
                         std::string_view why) {
    ASSERT_TRUE(loop.has_value()) << loop.error().message();
    EXPECT_EQ(loop->driver(), kind);
    EXPECT_EQ(loop->why_driver(), why);
    EXPECT_EQ(loop->run(eddy::time::timeout(20s, echo())), sent);
    ASSERT_TRUE(pool.has_value()) << pool.error().message();
    EXPECT_EQ(pool->driver(), kind);
    EXPECT_EQ(pool->why_driver(), why);
    EXPECT_EQ(pool->metrics().driver, kind);
    EXPECT_EQ(pool->metrics().why_driver, why);
    EXPECT_EQ(pool->block_on(eddy::time::timeout(20s, echo())), sent);
}

void expect_driver_works(driver_kind asked_for, driver_kind kind, std::string_view why) {
    expect_driver_works(eddy::core::builder().driver(asked_for).build(),
                        eddy::runtime::builder().worker_threads(2).driver(asked_for).build(), kind, why);
}

/// Sets EDDY_DRIVER to `named`. Expects that an event loop and a runtime then use the driver `kind`, report `why`, and
/// work.
void expect_driver_works(const char* named, driver_kind kind, std::string_view why) {
    const environment it("EDDY_DRIVER", named);
    expect_driver_works(eddy::core::make(), eddy::runtime::builder().worker_threads(2).build(), kind, why);
}

/// Expects that neither an event loop nor a runtime can be created with io_uring if io_uring is requested by name.
void expect_refused(const std::error_code& error) {
    const auto by_name = driver_kind::io_uring;
    EXPECT_EQ(eddy::core::builder().driver(by_name).build().error(), error);
    EXPECT_EQ(eddy::runtime::builder().worker_threads(2).driver(by_name).build().error(), error);
    const environment it("EDDY_DRIVER", "io_uring");
    EXPECT_EQ(eddy::core::make().error(), error);
    EXPECT_EQ(eddy::runtime::make().error(), error);
    expect_driver_works(driver_kind::epoll, driver_kind::epoll, "epoll: asked for by the builder");
}

TEST(DriverInUse, LoopsAndRuntimesReportTheirDriver) {
    expect_driver_works(nullptr, driver_kind::epoll, "epoll: the default on Linux");
    expect_driver_works("", driver_kind::epoll, "epoll: the default on Linux");
    expect_driver_works("epoll", driver_kind::epoll, "epoll: asked for by EDDY_DRIVER");
    expect_driver_works(driver_kind::epoll, driver_kind::epoll, "epoll: asked for by the builder");
}

TEST(DriverInUse, AutomaticIsResolvedToADriver) {
    const auto ring = ring_support();
    const auto kind = ring ? driver_kind::io_uring : driver_kind::epoll;
    const auto why = ring ? "io_uring: it is allowed here, and has what is needed" : ring.error().why;
    expect_driver_works("auto", kind, why);
    expect_driver_works(driver_kind::automatic, kind, why);
}

TEST(DriverInUse, IoUringIsUsedIfNamedAndAllowed) {
    if (const auto ring = ring_support(); !ring) {
        expect_refused(ring.error().error);
        return;
    }
    expect_driver_works("io_uring", driver_kind::io_uring, "io_uring: asked for by EDDY_DRIVER");
    expect_driver_works(driver_kind::io_uring, driver_kind::io_uring, "io_uring: asked for by the builder");
}

TEST(DriverInUse, LoopWithoutIoHasNoDriver) {
    const auto loop = eddy::core::builder().enable_io(false).driver(driver_kind::io_uring).build().value();
    EXPECT_EQ(loop.driver(), std::nullopt);
    EXPECT_EQ(loop.why_driver(), "none: I/O is not enabled");
    const auto pool = eddy::runtime::builder().worker_threads(1).enable_io(false).build().value();
    EXPECT_EQ(pool.driver(), std::nullopt);
    EXPECT_EQ(pool.why_driver(), "none: I/O is not enabled");
}

// covers: S05
TEST(DriverInUse, PollIsUsedIfNamed) {
    expect_driver_works("poll", driver_kind::poll, "poll: asked for by EDDY_DRIVER");
    expect_driver_works(driver_kind::poll, driver_kind::poll, "poll: asked for by the builder");
}

// covers: S03 P112
TEST(DriverInUse, KqueueIsUsedIfNamedOnSystemsThatHaveIt) {
    if constexpr (EDDY_HAS_KQUEUE != 0) {
        expect_driver_works("kqueue", driver_kind::kqueue, "kqueue: asked for by EDDY_DRIVER");
        expect_driver_works(driver_kind::kqueue, driver_kind::kqueue, "kqueue: asked for by the builder");
        EXPECT_GE(eddy::reactor::make(driver_kind::kqueue).value().native_handle(), 0);
    } else {
        EXPECT_EQ(eddy::core::builder().driver(driver_kind::kqueue).build().error(), errc::driver_unavailable);
        EXPECT_EQ(eddy::runtime::builder().driver(driver_kind::kqueue).build().error(), std::errc::not_supported);
        EXPECT_EQ(eddy::reactor::make(driver_kind::kqueue).error(), std::errc::not_supported);
    }
}

// covers: S05
TEST(DriverInUse, AfdExistsOnWindowsOnly) {
    EXPECT_EQ(decide_driver({}, "afd", allowed).error(), errc::unknown_driver);
    EXPECT_EQ(eddy::core::builder().driver(driver_kind::afd).build().error(), std::errc::not_supported);
    EXPECT_EQ(eddy::reactor::make(driver_kind::afd).error(), std::errc::not_supported);
}

/// Returns the std::system_error of a core_thread that cannot be made.
std::system_error error_of_core_thread() {
    try {
        const eddy::core_thread none;
    } catch (const std::system_error& error) {
        return error;
    }
    return std::system_error(std::error_code());
}

TEST(DriverInUse, CoreThreadWithUnknownDriverNamesTheDriver) {
    const environment it("EDDY_DRIVER", "abacus");
    EXPECT_EQ(eddy::core_thread::make().error(), errc::unknown_driver);
    const auto thrown = error_of_core_thread();
    EXPECT_EQ(thrown.code(), errc::unknown_driver);
    EXPECT_TRUE(std::string_view(thrown.what()).contains("EDDY_DRIVER=abacus")) << thrown.what();
}

TEST(DriverInUse, CoreThreadWithoutDescriptorsIsAnError) {
    const environment it("EDDY_DRIVER", nullptr);
    const support::descriptor_limit none(0);
    const auto thrown = error_of_core_thread();
    none.lift();
    EXPECT_EQ(thrown.code(), std::errc::too_many_files_open);
    EXPECT_FALSE(std::string_view(thrown.what()).contains("EDDY_DRIVER")) << thrown.what();
}

TEST(DriverInUse, ReactorUsesEpollOrPoll) {
    EXPECT_EQ(eddy::reactor::make(driver_kind::io_uring).error(), std::errc::not_supported);
    EXPECT_TRUE(eddy::reactor::make(driver_kind::automatic).has_value());
    EXPECT_GE(eddy::reactor::make(driver_kind::epoll).value().native_handle(), 0);
    EXPECT_EQ(eddy::reactor::make(driver_kind::poll).value().native_handle(), -1);
    const environment it("EDDY_DRIVER", "poll");
    EXPECT_EQ(eddy::reactor().native_handle(), -1);
}

// ---- io_uring is denied (in separate processes, in which ring_support() has not cached its answer yet) ----

/// Exits with 0 if `auto` selects epoll with the reason in `refusal`, and requesting io_uring by name fails with its
/// error.
[[noreturn]] void exit_if_auto_is_epoll(const ring_refusal& refusal) {
    expect_driver_works("auto", driver_kind::epoll, refusal.why);
    expect_driver_works(driver_kind::automatic, driver_kind::epoll, refusal.why);
    expect_refused(refusal.error);
    std::_Exit(testing::Test::HasFailure() ? 1 : 0);
}

[[noreturn]] void exit_if_auto_is_epoll_under_filter(std::errc error) {
    if (!support::deny_io_uring(static_cast<int>(error))) std::_Exit(2);
    exit_if_auto_is_epoll(refusal_for(code(error)));
}

class DriverDeathTest : public testing::Test {
protected:
    void SetUp() override {
        GTEST_FLAG_SET(death_test_style, "threadsafe");
        // Calls probe_ring(), since ring_support() would cache its answer. SetUp() also runs in the child processes,
        // before they deny io_uring.
        if (const auto ring = probe_ring(); !ring) GTEST_SKIP() << ring.error().why;
    }
};

// covers: R107
TEST_F(DriverDeathTest, AutoUsesEpollIfSeccompForbidsIoUring) {
    EXPECT_EXIT(exit_if_auto_is_epoll_under_filter(std::errc::operation_not_permitted), testing::ExitedWithCode(0), "");
}

// covers: R107
TEST_F(DriverDeathTest, AutoUsesEpollWhereTheKernelHasNoIoUring) {
    EXPECT_EXIT(exit_if_auto_is_epoll_under_filter(std::errc::function_not_supported), testing::ExitedWithCode(0), "");
}

[[noreturn]] void exit_if_auto_is_epoll_without(unsigned call) {
    if (!support::deny_calls(call, call, EPERM)) std::_Exit(2);
    exit_if_auto_is_epoll(refusal_for(code(std::errc::operation_not_permitted)));
}

// covers: R107
TEST_F(DriverDeathTest, AutoUsesEpollIfAnyIoUringCallIsForbidden) {
    for (const unsigned call : {SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register}) {
        EXPECT_EXIT(exit_if_auto_is_epoll_without(call), testing::ExitedWithCode(0), "");
    }
}

/// Exits with 0 if `auto` selects epoll under a seccomp filter that is set after the first event loop was created.
/// ring_support() has cached its answer by then.
[[noreturn]] void exit_if_auto_notices_a_later_filter(unsigned call) {
    expect_driver_works(driver_kind::automatic, driver_kind::io_uring,
                        eddy::core::builder().driver(driver_kind::automatic).build().value().why_driver());
    exit_if_auto_is_epoll_without(call);
}

// covers: R107 I20.4.8
TEST_F(DriverDeathTest, AutoUsesEpollIfAFilterIsSetAfterTheFirstLoop) {
    for (const unsigned call : {SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register}) {
        EXPECT_EXIT(exit_if_auto_notices_a_later_filter(call), testing::ExitedWithCode(0), "");
    }
}

[[noreturn]] void exit_if_a_loop_runs_under_a_later_filter() {
    auto loop = eddy::core::builder().driver(driver_kind::automatic).build().value();
    if (!support::deny_calls(SYS_io_uring_enter, SYS_io_uring_enter, EPERM)) std::_Exit(2);
    EXPECT_EQ(loop.run(eddy::time::timeout(20s, echo())), sent);
    std::_Exit(testing::Test::HasFailure() ? 1 : 0);
}

// covers: R107 I20.4.8
TEST_F(DriverDeathTest, LoopUsesEpollIfAFilterIsSetBeforeItsFirstRun) {
    EXPECT_EXIT(exit_if_a_loop_runs_under_a_later_filter(), testing::ExitedWithCode(0), "");
}

[[noreturn]] void print_the_exception() {
    ::setenv("EDDY_DRIVER", "io_uring", 1);
    if (!support::deny_io_uring(EPERM)) std::_Exit(2);
    try {
        const eddy::runtime made;
    } catch (const std::system_error& error) {
        std::fprintf(stderr, "%s\n", error.what());
        std::_Exit(0);
    }
    std::_Exit(1);
}

TEST_F(DriverDeathTest, ExceptionNamesTheRequestedDriver) {
    EXPECT_EXIT(print_the_exception(), testing::ExitedWithCode(0),
                "eddy::runtime, with EDDY_DRIVER=io_uring; io_uring is forbidden here .EPERM.*, and EDDY_DRIVER=auto "
                "would take epoll: Operation not permitted");
}

// ---- A filter forbids a ring that already exists ----

/// Receives once, forbids io_uring_enter(2) on this thread, and receives again.
eddy::task<void> receive_then_forbid_the_ring(eddy::net::tcp_stream& stream, const support::raw_socket& peer) {
    std::array<std::byte, 4> into{};
    peer.send("ping");
    const auto got = co_await stream.read_exact(into);
    if (!got || !support::deny_calls(SYS_io_uring_enter, SYS_io_uring_enter, EPERM)) std::_Exit(2);
    static_cast<void>(co_await stream.read_exact(into));
}

[[noreturn]] void lose_the_ring_of_a_core() {
    ::alarm(support::operation_seconds());
    {
        support::connection pair;
        auto loop = eddy::core::builder().driver(driver_kind::io_uring).build().value();
        try {
            loop.run(receive_then_forbid_the_ring(pair.stream, pair.peer));
            std::_Exit(1);
        } catch (const std::system_error& error) {
            if (error.code() != std::errc::operation_not_permitted) std::_Exit(3);
            std::fprintf(stderr, "%s\n", error.what());
        }
    }
    std::_Exit(0);  // the kernel may use the memory of pending operations until here
}

[[noreturn]] void lose_the_ring_of_a_worker() {
    ::alarm(support::operation_seconds());
    support::connection pair;
    const auto pool = eddy::runtime::builder().worker_threads(1).driver(driver_kind::io_uring).build().value();
    const auto on_the_worker = [&]() -> eddy::task<void> {
        static_cast<void>(co_await eddy::spawn(receive_then_forbid_the_ring(pair.stream, pair.peer)));
    };
    pool.block_on(on_the_worker());
    std::_Exit(1);
}

constexpr const char* names_the_call_and_the_remedy =
    "^eddy: io_uring_enter.2. or epoll_wait.2. failed.*EDDY_DRIVER=epoll.*: Operation not permitted\n$";

TEST_F(DriverDeathTest, RunThrowsIfItsRingIsForbiddenLater) {
    EXPECT_EXIT(lose_the_ring_of_a_core(), testing::ExitedWithCode(0), names_the_call_and_the_remedy);
}

TEST_F(DriverDeathTest, WorkerAbortsWithARemedyIfItsRingIsForbidden) {
    EXPECT_EXIT(lose_the_ring_of_a_worker(), testing::KilledBySignal(SIGABRT), names_the_call_and_the_remedy);
}

/// Sets the limit of locked memory of this process to 0. The limit does not apply to root, so root switches to another
/// user.
bool lock_no_memory() {
    const rlimit none{0, 0};
    if (::setrlimit(RLIMIT_MEMLOCK, &none) != 0) return false;
    if (::geteuid() != 0) return true;
    constexpr uid_t nobody = 65534;
    return ::setgroups(0, nullptr) == 0 && ::setgid(nobody) == 0 && ::setuid(nobody) == 0;
}

/// Tries to create a ring in a child process that may not lock memory. Returns its errno: 0 on success, -1 if no such
/// process can be created.
int error_without_locked_memory() {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(lock_no_memory() ? support::error_of_io_uring() : 255);
    int status = 0;
    support::repeated([&] { return ::waitpid(child, &status, 0); });
    return WIFEXITED(status) && WEXITSTATUS(status) != 255 ? WEXITSTATUS(status) : -1;
}

[[noreturn]] void exit_if_auto_is_epoll_without_locked_memory() {
    if (!lock_no_memory()) std::_Exit(2);
    exit_if_auto_is_epoll(refusal_for(code(std::errc::not_enough_memory)));
}

// covers: R107
TEST_F(DriverDeathTest, AutoUsesEpollWhereNoMemoryMayBeLocked) {
    const int error = error_without_locked_memory();
    if (error == -1) GTEST_SKIP() << "this process cannot give up the right to lock memory";
    if (error == 0) GTEST_SKIP() << "the limit of locked memory does not apply to this process";
    ASSERT_EQ(error, ENOMEM);
    EXPECT_EXIT(exit_if_auto_is_epoll_without_locked_memory(), testing::ExitedWithCode(0), "");
}

}  // namespace
