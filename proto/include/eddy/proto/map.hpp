// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/future/try.hpp>
#include <eddy/proto/service.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/clock.hpp>

// The layers that convert requests and responses, or observe calls.

namespace eddy::proto {

/// How a call ended.
enum class call_outcome : unsigned char {
    answered,  ///< with a response
    failed,    ///< with an error
    threw,     ///< with an exception
    dropped,   ///< its future was destroyed before it had an output
};

/// The report of trace() about a call.
/// Thread safety: a plain value.
struct call_report {
    call_outcome outcome = call_outcome::dropped;  ///< how the call ended
    std::error_code error;                         ///< the error, if it failed
    time::duration elapsed{};                      ///< how long it took

    /// Makes the report of a call that was dropped.
    call_report() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};

}  // namespace eddy::proto

namespace eddy::detail {

template <class S, class Fn>
class request_mapped_service
    : public layered<request_mapped_service<S, Fn>, S, std::remove_cvref_t<typename parameter_of<Fn>::type>> {
    using base = layered<request_mapped_service<S, Fn>, S, std::remove_cvref_t<typename parameter_of<Fn>::type>>;

public:
    request_mapped_service(S&& inner, Fn fn) : base(std::move(inner)), fn_(std::move(fn)) {}

    template <class Given>
    task<call_output_t<S>> call(Given request, proto::when_full mode) const {
        proto::request_t<S> mapped = std::invoke(fn_, std::move(request));
        co_return co_await this->next(std::move(mapped), mode);
    }

private:
    Fn fn_;
};

/// The output of `Fn` for a response of type `T`. For void, `Fn` takes no argument.
template <class Fn, class T>
struct mapped_output : std::invoke_result<const Fn&, T> {};
template <class Fn>
struct mapped_output<Fn, void> : std::invoke_result<const Fn&> {};
template <class S, class Fn>
using mapped_response_t =
    typename response_of_output<std::remove_cvref_t<typename mapped_output<Fn, proto::response_t<S>>::type>>::type;

template <class S, class Fn>
class response_mapped_service
    : public layered<response_mapped_service<S, Fn>, S, proto::request_t<S>, mapped_response_t<S, Fn>> {
    using response = mapped_response_t<S, Fn>;
    using base = layered<response_mapped_service<S, Fn>, S, proto::request_t<S>, response>;

public:
    response_mapped_service(S&& inner, Fn fn) : base(std::move(inner)), fn_(std::move(fn)) {}

    template <class Given>
    task<std::expected<response, proto::error_t<S>>> call(Given request, proto::when_full mode) const {
        using output = std::expected<response, proto::error_t<S>>;
        auto answer = co_await this->next(std::move(request), mode);
        if (!answer) co_return output(std::unexpect, std::move(answer.error()));
        if constexpr (std::is_void_v<decltype(apply(answer))>) {
            apply(answer);
            co_return output();
        } else {
            co_return flatten<output>(apply(answer));
        }
    }

private:
    auto apply(call_output_t<S>& answer) const {
        if constexpr (std::is_void_v<proto::response_t<S>>) {
            return std::invoke(fn_);
        } else {
            return std::invoke(fn_, *std::move(answer));
        }
    }

    Fn fn_;
};

template <class S, class Fn>
class recovering_service : public layered<recovering_service<S, Fn>, S> {
public:
    recovering_service(S&& inner, Fn fn)
        : layered<recovering_service<S, Fn>, S>(std::move(inner)), fn_(std::move(fn)) {}

    template <class Given>
    task<call_output_t<S>> call(Given request, proto::when_full mode) const {
        auto answer = co_await this->next(std::move(request), mode);
        if (!answer) answer = flatten<call_output_t<S>>(recovered(answer.error()));
        co_return answer;
    }

private:
    auto recovered(const proto::error_t<S>& error) const {
        if constexpr (std::is_invocable_v<const Fn&, const proto::error_t<S>&>) {
            return std::invoke(fn_, error);
        } else {
            return std::invoke(fn_, convert_error<std::error_code>(error));
        }
    }

    Fn fn_;
};

/// Reports the end of a call in its destructor.
template <class Fn>
class call_observer {
public:
    explicit call_observer(const Fn& fn) : fn_(&fn) {}
    call_observer(const call_observer&) = delete;
    call_observer& operator=(const call_observer&) = delete;
    ~call_observer() {
        report.elapsed = time::clock::now() - start_;
        std::invoke(*fn_, std::as_const(report));
    }

    proto::call_report report;

private:
    const Fn* fn_;
    time::time_point start_ = time::clock::now();
};

template <class S, class Fn>
class traced_service : public layered<traced_service<S, Fn>, S> {
public:
    traced_service(S&& inner, Fn fn) : layered<traced_service<S, Fn>, S>(std::move(inner)), fn_(std::move(fn)) {}

    template <class Given>
    task<call_output_t<S>> call(Given request, proto::when_full mode) const {
        call_observer<Fn> seen(fn_);
        try {
            auto answer = co_await this->next(std::move(request), mode);
            seen.report.outcome = answer ? proto::call_outcome::answered : proto::call_outcome::failed;
            if (!answer) seen.report.error = convert_error<std::error_code>(answer.error());
            co_return answer;
        } catch (...) {
            seen.report.outcome = proto::call_outcome::threw;
            throw;
        }
    }

private:
    Fn fn_;
};

}  // namespace eddy::detail

namespace eddy::proto {

/// Returns a layer that converts each request with `fn`. The type of the parameter of `fn` is the request type of the
/// new service. The layer takes its request also if a layer inside of it refuses the call: see offer().
template <class Fn>
[[nodiscard]] auto map_request(Fn fn) {
    return layer([fn = std::move(fn)]<class S>(S inner) {
        constexpr bool typed = requires { typename detail::parameter_of<Fn>::type; };
        static_assert(typed, "eddy: the function of map_request needs one parameter of a named type, not auto");
        return detail::request_mapped_service<S, Fn>(std::move(inner), fn);
    });
}

/// Returns a layer that converts each response with `fn`, which returns the new response or a `result` of it. Errors of
/// the service pass through.
template <class Fn>
[[nodiscard]] auto map_response(Fn fn) {
    return layer([fn = std::move(fn)]<class S>(S inner) {
        return detail::response_mapped_service<S, Fn>(std::move(inner), fn);
    });
}

/// Returns a layer that turns each error into a response: `fn(error)` returns a response, or a result<Response>. The
/// error is an error_t of the service, or a std::error_code if `fn` takes that. Use it
/// for the service of a connection, because an error would end the connection.
template <class Fn>
[[nodiscard]] auto recover(Fn fn) {
    return layer(
        [fn = std::move(fn)]<class S>(S inner) { return detail::recovering_service<S, Fn>(std::move(inner), fn); });
}

/// Returns a layer that passes a call_report to `fn` at the end of each call. `fn` is called on the thread on which the
/// call ends or is dropped. It must not throw: otherwise the process ends.
template <class Fn>
[[nodiscard]] auto trace(Fn fn) {
    return layer(
        [fn = std::move(fn)]<class S>(S inner) { return detail::traced_service<S, Fn>(std::move(inner), fn); });
}

}  // namespace eddy::proto
