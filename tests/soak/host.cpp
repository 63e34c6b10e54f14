// SPDX-License-Identifier: MIT
#include "host.hpp"

#include <chrono>
#include <exception>
#include <future>
#include <source_location>
#include <string>
#include <utility>

namespace soak {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

constexpr auto short_limit = 20ms;

/// The tasks of the soak throw nothing.
void report_exception(std::exception_ptr thrown, const std::source_location&) {
    try {
        std::rethrow_exception(std::move(thrown));
    } catch (const std::exception& error) {
        watch::get().fail(std::string("a task threw: ") + error.what());
    } catch (...) {
        watch::get().fail("a task threw");
    }
}

/// A server that is dropped leaves connections behind whose errors no code reads.
void ignore_error(const eddy::unobserved_error&) {}

}  // namespace

host::host(unsigned workers, eddy::driver_kind driver) {
    if (workers != 0) {
        pool_.emplace(eddy::runtime::builder()
                          .worker_threads(workers)
                          .driver(driver)
                          .on_uncaught(report_exception)
                          .on_unobserved_error(ignore_error)
                          .build()
                          .value());
        return;
    }
    std::promise<eddy::core_remote> started;
    auto remote = started.get_future();
    thread_ = std::thread([this, driver, &started] {
        run_loop([&started](eddy::core_remote loop) { started.set_value(std::move(loop)); }, driver);
    });
    loop_.emplace(remote.get());
    own_tasks_ = count_tasks();
}

host::~host() { stop(stop_kind::destroyed); }

void host::run_loop(const std::function<void(eddy::core_remote)>& started, eddy::driver_kind driver) {
    auto loop = eddy::core::builder()
                    .driver(driver)
                    .on_uncaught(report_exception)
                    .on_unobserved_error(ignore_error)
                    .build()
                    .value();
    started(loop.remote());
    loop.run(ends_.cancelled_owned());
    switch (end_.load()) {
    case stop_kind::timeout: std::move(loop).shutdown_timeout(short_limit); break;
    case stop_kind::now: std::move(loop).shutdown_now(); break;
    default: break;
    }
}

void host::add(std::function<eddy::task<void>()> work) {
    if (pool_) {
        pool_->spawn(std::move(work)).detach();
    } else {
        static_cast<void>(loop_->spawn(std::move(work)));
    }
}

std::size_t host::alive_tasks() const { return count_tasks() - own_tasks_; }

std::size_t host::count_tasks() const {
    if (pool_) return pool_->metrics().alive_tasks;
    return loop_->call([](eddy::core_handle& handle) { return handle.metrics().alive_tasks(); }).get();
}

void host::stop(stop_kind how) {
    if (loop_) {
        end_ = how;
        ends_.cancel();
        thread_.join();
        loop_.reset();
        return;
    }
    if (!pool_) return;
    eddy::runtime ending = *std::move(pool_);
    pool_.reset();
    switch (how) {
    case stop_kind::timeout: std::move(ending).shutdown_timeout(short_limit); break;
    case stop_kind::now: std::move(ending).shutdown_now().wait(); break;
    case stop_kind::background: std::move(ending).shutdown_background(); break;
    default: break;  // the destructor
    }
}

}  // namespace soak
