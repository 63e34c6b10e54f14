// SPDX-License-Identifier: MIT
#pragma once

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <random>
#include <string>
#include <string_view>

#include <eddy/runtime.hpp>

#include "watch.hpp"

namespace soak {

inline constexpr const char* usage = R"(options:
  --seconds N     duration (60)
  --seed S        the seed of the plan; printed at the start (random)
  --episode N     repeats this episode of the plan
  --driver D      epoll, io_uring, or both in turn (both)
  --stall N       seconds without progress that are a failure (5)
  --keep-going    counts failures, except stalls, and continues
)";

/// The options of a soak.
struct arguments {
    unsigned seconds = 60;
    std::uint64_t seed = std::random_device()();
    std::optional<unsigned> episode;
    std::string driver = "both";
    unsigned stall = 5;
    bool keeps_going = false;
    bool is_server = false;

    arguments(int count, char** words) {
        for (int i = 1; i < count; ++i) {
            const std::string_view option = words[i];
            const auto next = [&] { return i + 1 < count ? std::string_view(words[++i]) : std::string_view(); };
            if (option == "--seconds") {
                seconds = number<unsigned>(option, next());
            } else if (option == "--seed") {
                seed = number<std::uint64_t>(option, next());
            } else if (option == "--episode") {
                episode = number<unsigned>(option, next());
            } else if (option == "--stall") {
                stall = number<unsigned>(option, next());
            } else if (option == "--driver") {
                driver = next();
                if (driver != "epoll" && driver != "io_uring" && driver != "both") refuse("unknown driver " + driver);
            } else if (option == "--keep-going") {
                keeps_going = true;
            } else if (option == "--server") {  // for use by this program
                is_server = true;
            } else {
                refuse("unknown option " + std::string(option));
            }
        }
    }

    /// Returns the driver of an episode. Each kind of traffic gets each driver.
    [[nodiscard]] eddy::driver_kind driver_of(unsigned number) const {
        const bool is_uring = driver == "both" ? (number + number / 5) % 2 == 1 : driver == "io_uring";
        return is_uring ? eddy::driver_kind::io_uring : eddy::driver_kind::epoll;
    }

private:
    template <class T>
    static T number(std::string_view option, std::string_view text) {
        T made = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), made);
        if (error != std::errc() || end != text.data() + text.size())
            refuse(std::string(option) + " " + std::string(text) + ": a number is expected");
        return made;
    }
    [[noreturn]] static void refuse(const std::string& why) {
        std::fprintf(stderr, "soak: %s\n%s", why.c_str(), usage);
        std::exit(2);
    }
};

/// Returns whether the system has io_uring.
[[nodiscard]] inline bool has_io_uring() {
    return eddy::core::builder().driver(eddy::driver_kind::io_uring).build().has_value();
}

/// Prints how to repeat the soak.
inline void print_start(const arguments& chosen) {
    std::fprintf(stderr, "soak: seed %llu, %u s, driver %s. To repeat episode N: --seed %llu --driver %s --episode N\n",
                 static_cast<unsigned long long>(chosen.seed), chosen.seconds, chosen.driver.c_str(),
                 static_cast<unsigned long long>(chosen.seed), chosen.driver.c_str());
}

/// Prints the last line. Returns the exit code.
[[nodiscard]] inline int print_end(const arguments& chosen) {
    watch::get().print_counts(true);
    std::fprintf(stderr, "soak: %llu operations, %zu failures, seed %llu\n",
                 static_cast<unsigned long long>(watch::get().done()), watch::get().failures(),
                 static_cast<unsigned long long>(chosen.seed));
    return watch::get().failures() == 0 ? 0 : 1;
}

/// Starts the watch as the options say.
inline void start_watch(arguments& chosen) {
    if (chosen.driver != "epoll" && !has_io_uring()) {
        std::fprintf(stderr, "soak: io_uring is not available; the driver is epoll\n");
        chosen.driver = "epoll";
    }
    watch::limits limits;
    limits.stall_ticks = std::uint64_t{10} * chosen.stall;
    limits.keeps_going = chosen.keeps_going;
    limits.is_child = chosen.is_server;
    watch::get().start(limits);
}

}  // namespace soak
