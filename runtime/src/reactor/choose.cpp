// SPDX-License-Identifier: MIT
#include "reactor/choose.hpp"

#include <string_view>

#include <eddy/error.hpp>

#include "reactor/ring/ring_support.hpp"
#include "sys/available.hpp"
#include "sys/this_process.hpp"

namespace eddy::detail {
namespace {

constexpr bool has_epoll = EDDY_HAS_EPOLL != 0;
constexpr bool has_kqueue = EDDY_HAS_KQUEUE != 0;
constexpr bool has_poll = EDDY_HAS_POLL != 0;
constexpr bool has_afd = EDDY_HAS_AFD != 0;

constexpr driver_choice usual = has_epoll ? driver_choice{driver_kind::epoll, "epoll: the default on Linux", false}
                                : has_afd
                                    ? driver_choice{driver_kind::afd, "afd: the default on Windows", false}
                                    : driver_choice{driver_kind::kqueue, "kqueue: the default on this system", false};

/// The why_driver() texts for a driver that was requested by name.
struct asked_by {
    std::string_view epoll;
    std::string_view io_uring;
    std::string_view poll;
    std::string_view kqueue;
    std::string_view afd;
};

constexpr asked_by builder{"epoll: asked for by the builder", "io_uring: asked for by the builder",
                           "poll: asked for by the builder", "kqueue: asked for by the builder",
                           "afd: asked for by the builder"};
constexpr asked_by environment{"epoll: asked for by EDDY_DRIVER", "io_uring: asked for by EDDY_DRIVER",
                               "poll: asked for by EDDY_DRIVER", "kqueue: asked for by EDDY_DRIVER",
                               "afd: asked for by EDDY_DRIVER"};

result<driver_choice> choose(driver_kind kind, const asked_by& reasons, ring_answer (*ask)() noexcept) noexcept {
    if (kind == driver_kind::epoll) return driver_choice{kind, reasons.epoll, false};
    if (kind == driver_kind::poll) return driver_choice{kind, reasons.poll, false};
    if (kind == driver_kind::kqueue) return driver_choice{kind, reasons.kqueue, false};
    if (kind == driver_kind::afd) return driver_choice{kind, reasons.afd, false};
    if (kind == driver_kind::io_uring) {
        const ring_answer answer = retry_while_memory_is_short(
            ask, [](const ring_answer& each) { return !each && each.error().error == std::errc::not_enough_memory; });
        if (!answer) return std::unexpected(answer.error().error);
        return driver_choice{kind, reasons.io_uring, false};
    }
    if (!has_epoll) return usual;
    const ring_answer answer = ask();
    if (!answer) return driver_choice{driver_kind::epoll, answer.error().why, false};
    return driver_choice{driver_kind::io_uring, "io_uring: it is allowed here, and has what is needed", true};
}

}  // namespace

result<driver_choice> decide_driver(std::optional<driver_kind> wanted, std::string_view named,
                                    ring_answer (*ask)() noexcept) noexcept {
    if (wanted) return choose(*wanted, builder, ask);
    if (named.empty()) return usual;
    if (has_epoll && named == "epoll") return choose(driver_kind::epoll, environment, ask);
    if (named == "io_uring") return choose(driver_kind::io_uring, environment, ask);
    if (has_poll && named == "poll") return choose(driver_kind::poll, environment, ask);
    if (has_afd && named == "afd") return choose(driver_kind::afd, environment, ask);
    if (has_kqueue && named == "kqueue") return choose(driver_kind::kqueue, environment, ask);
    if (named == "auto") return choose(driver_kind::automatic, environment, ask);
    return std::unexpected(make_error_code(errc::unknown_driver));
}

result<driver_choice> choose_driver(std::optional<driver_kind> wanted) noexcept {
    return decide_driver(wanted, sys::environment("EDDY_DRIVER"), ring_support);
}

driver_kind readiness_driver_here() noexcept {
    const std::string_view named = sys::environment("EDDY_DRIVER");
    if (has_poll && named == "poll") return driver_kind::poll;
    return has_kqueue && named == "kqueue" ? driver_kind::kqueue : usual.kind;
}

result<driver_choice> choose_after(const driver_choice& refused, const std::error_code& error) noexcept {
    if (!refused.may_be_epoll) return std::unexpected(error);
    return driver_choice{driver_kind::epoll, refusal_for(error).why, false};
}

std::string with_driver_asked_for(std::string_view maker, const std::error_code& error) {
    std::string text(maker);
    const std::string_view named = sys::environment("EDDY_DRIVER");
    if (!named.empty()) text.append(", with EDDY_DRIVER=").append(named);
    if (named == "io_uring" && error.category() == std::generic_category()) {
        auto why = refusal_for(error).why;
        why.remove_prefix(std::string_view("epoll: ").size());
        text.append("; ").append(why).append(", and EDDY_DRIVER=auto would take epoll");
    }
    return text;
}

}  // namespace eddy::detail
