// SPDX-License-Identifier: MIT
#include <eddy/net/lookup_host.hpp>

#include <memory>
#include <new>
#include <string>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/error.hpp>
#include <eddy/sync/oneshot.hpp>

#include "executor/blocking/blocking.hpp"
#include "net/resolver.hpp"
#include "reactor/current_io.hpp"
#include "sys/resolve.hpp"

namespace eddy::detail {
namespace {

constinit atomic<resolver> chosen_resolver{&sys::resolve};

}  // namespace

void set_resolver_for_tests(resolver instead) noexcept {
    // release: pairs with the acquire in lookup_job, so that the resolver sees what the test has prepared.
    chosen_resolver.store(instead != nullptr ? instead : &sys::resolve, std::memory_order_release);
}

}  // namespace eddy::detail

namespace eddy::net {
namespace {

using output = lookup_future::output_type;

/// A lookup that a thread of the blocking pool will run. It owns everything that it needs, including the sender of the
/// result's channel, so it can outlive the lookup_future.
class lookup_job : public detail::blocking_job {
public:
    lookup_job(std::string_view host, std::uint16_t port, sync::oneshot<output>::sender answer)
        : blocking_job(&lookup_job::run_it, &lookup_job::cancel_it),
          host_(host),
          port_(port),
          answer_(std::move(answer)) {}

private:
    // SAFETY, for both: lookup_future::start() has created the job and passed its ownership to the blocking pool.
    static void run_it(blocking_job& self) noexcept {
        const std::unique_ptr<lookup_job> own(static_cast<lookup_job*>(&self));
        // If the lookup_future was dropped, skip the lookup, which would block this thread.
        if (!own->answer_.is_closed()) static_cast<void>(own->answer_.send(own->look_up()));
    }
    // Destroys the job and its sender, which the receiver notices.
    static void cancel_it(blocking_job& self) noexcept { delete static_cast<lookup_job*>(&self); }

    [[nodiscard]] output look_up() const noexcept try {
        // acquire: pairs with the release in set_resolver_for_tests().
        auto found = detail::chosen_resolver.load(std::memory_order_acquire)(host_, port_);
        if (found && found->empty()) return std::unexpected(make_error_code(errc::no_address));
        return found;
    } catch (const std::bad_alloc&) {
        return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
    }

    const detail::held_clock clock_;  // destroyed last, after the sender
    std::string host_;
    std::uint16_t port_;
    sync::oneshot<output>::sender answer_;
};

}  // namespace

const std::error_category& resolver_category() noexcept { return sys::resolver_category(); }

/// A look-up that has started. Defined here, so that users of lookup_host() need not compile a oneshot channel.
struct lookup_future::pending {
    sync::oneshot<output>::receiver answer;

    explicit pending(sync::oneshot<output>::receiver&& from) noexcept : answer(std::move(from)) {}
};

lookup_future& lookup_future::operator=(lookup_future&& other) noexcept {
    what_ = std::move(other.what_);
    delete std::exchange(answer_, std::exchange(other.answer_, nullptr));
    has_ended_ = other.has_ended_;
    return *this;
}

lookup_future::~lookup_future() { delete answer_; }

poll_result<output> lookup_future::poll(context& cx) {
    if (has_ended_) eddy::detail::throw_has_ended("a host lookup", cx.where());
    if (answer_ == nullptr) {
        if (!what_.is_name() || !start()) {
            has_ended_ = true;
            return known();
        }
    }
    auto answer = answer_->answer.poll(cx);
    if (!answer) return not_ready;
    has_ended_ = true;
    if (!*answer) return output(std::unexpect, make_error_code(errc::runtime_shutdown));  // the job was cancelled
    return **std::move(answer);
}

output lookup_future::known() const {
    // A name gets here only if no thread was available for its lookup.
    if (what_.is_name()) return std::unexpected(std::make_error_code(std::errc::resource_unavailable_try_again));
    const auto addrs = what_.addrs();
    if (!addrs) return std::unexpected(addrs.error());
    return std::vector(addrs->begin(), addrs->end());
}

task<result<lookup_request>> resolve_here(lookup_request named, std::source_location where) {
    if (auto io = detail::current_io(where); !io) co_return std::unexpected(io.error());
    auto found = co_await try_(lookup_host(std::move(named)));
    co_return lookup_request(std::move(found));
}

bool lookup_future::start() {
    auto [sender, receiver] = sync::oneshot<output>::channel();
    auto answer = std::make_unique<pending>(std::move(receiver));
    auto job = std::make_unique<lookup_job>(what_.host(), what_.port(), std::move(sender));
    if (!detail::submit_lookup(*job)) return false;
    static_cast<void>(job.release());
    answer_ = answer.release();
    return true;
}

}  // namespace eddy::net
