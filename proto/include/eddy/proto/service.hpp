// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/future/detail/outcome.hpp>
#include <eddy/future/future.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

// Services and layers.

namespace eddy::proto {

/// How a call behaves if a limit is reached: it waits, or it fails with errc::overloaded. The layer load_shed() selects
/// `fail` for the layers inside of it.
enum class when_full : unsigned char {
    wait,  ///< wait until there is capacity
    fail,  ///< fail with errc::overloaded
};

}  // namespace eddy::proto

namespace eddy::detail {

/// The parameter type of a function, of a pointer to one, or of the call operator of an object.
template <class F>
struct parameter_of {};
template <class R, class A>
struct parameter_of<R (*)(A)> : std::type_identity<A> {};
template <class R, class A>
struct parameter_of<R (*)(A) noexcept> : std::type_identity<A> {};
template <class R, class C, class A>
struct parameter_of<R (C::*)(A) const> : std::type_identity<A> {};
template <class R, class C, class A>
struct parameter_of<R (C::*)(A) const noexcept> : std::type_identity<A> {};
template <class F>
    requires requires { &F::operator(); }
struct parameter_of<F> : parameter_of<decltype(&F::operator())> {};

/// The request type of a service, as it is written in the service.
template <class S>
struct argument_of_service : parameter_of<S> {};
template <class S>
    requires requires { typename S::request_type; }
struct argument_of_service<S> : std::type_identity<typename S::request_type> {};

template <class S>
using service_argument_t = typename argument_of_service<S>::type;
template <class S>
using service_request_t = std::remove_cvref_t<service_argument_t<S>>;
/// The future that a service returns.
template <class S>
using service_call_t = std::remove_cvref_t<std::invoke_result_t<const S&, service_request_t<S>&&>>;

template <class T>
struct response_of_output : std::type_identity<T> {};
template <class T, class E>
struct response_of_output<std::expected<T, E>> : std::type_identity<T> {};

template <class T>
struct error_of_output : std::type_identity<std::error_code> {};
template <class T, class E>
    requires std::is_constructible_v<E, std::error_code>
struct error_of_output<std::expected<T, E>> : std::type_identity<E> {};

}  // namespace eddy::detail

namespace eddy::proto {

/// A service: an object that is called with a request and returns a future of the response. The response is a
/// `result<T>`, or any other expected whose error converts to std::error_code, or a plain `T`.
///
///     auto length = [](std::string text) -> task<result<std::size_t>> { co_return text.size(); };
///
/// - It has one call operator, which is const and takes one request: a lambda, a function, a std::function. An object
///   with a generic call operator names its request in a member type `request_type`.
/// - It may be called again while earlier calls run. If several threads call it, its call operator must be thread-safe.
/// - It must outlive its calls. The futures of layers refer to the service.
/// - A layer wraps it. See operator|.
template <class S>
concept service = requires { typename detail::service_argument_t<S>; } &&
                  std::is_invocable_v<const S&, detail::service_request_t<S>&&> && future<detail::service_call_t<S>>;

/// The type of the requests of a service, without a reference.
template <class S>
using request_t = detail::service_request_t<S>;
/// The type of the responses of a service: `T`, if its calls return `result<T>` or `T`.
template <class S>
using response_t = typename detail::response_of_output<output_t<detail::service_call_t<S>>>::type;
/// The type of the errors of a service with layers: `E`, if its calls return `std::expected<T, E>` and `E` can be
/// constructed from the std::error_code of a layer, as http::client_error can. Otherwise std::error_code, to which the
/// errors of the service are converted.
template <class S>
using error_t = typename detail::error_of_output<output_t<detail::service_call_t<S>>>::type;

}  // namespace eddy::proto

namespace eddy::detail {

/// Whether the service can be called with a `when_full`.
template <class S>
concept sheds_calls =
    requires(const S& inner, proto::request_t<S>&& request) { inner.call(std::move(request), proto::when_full::fail); };
/// Whether the service leaves a request that it refuses to its caller.
template <class S>
concept takes_offers =
    requires(const S& inner, proto::request_t<S>& request) { inner.offer(request, proto::when_full::fail); };
/// Returns whether a call with `when_full::fail` can differ from a call without it.
template <class S>
constexpr bool has_limit() {
    if constexpr (requires { S::has_limit; }) {
        return S::has_limit;
    } else {
        return sheds_calls<S>;
    }
}

/// The output of a call of a service with layers.
template <class S>
using call_output_t = std::expected<proto::response_t<S>, proto::error_t<S>>;

/// Returns the output of a call that a layer ends with an error.
template <class S>
std::unexpected<proto::error_t<S>> layer_error(std::error_code why) {
    return std::unexpected<proto::error_t<S>>(std::in_place, why);
}

/// Awaits `work` and converts its output to `Out`, an expected.
template <class Out, class F>
task<Out> call_in_frame(F work) {
    if constexpr (std::is_void_v<output_t<F>>) {
        co_await work;
        co_return Out();
    } else {
        auto output = co_await work;
        co_return flatten<Out>(std::move(output));
    }
}

/// Calls a service. Returns a future of its call_output_t, which may refer to `request` and to the service. Moves from
/// `request` when a service takes it; layers that refuse the call leave it unchanged.
template <class S>
auto call_service(const S& inner, proto::request_t<S>&& request, proto::when_full mode) {
    using output = call_output_t<S>;
    if constexpr (takes_offers<S>) {
        return inner.offer(request, mode);
    } else if constexpr (sheds_calls<S>) {
        return inner.call(std::move(request), mode);
    } else if constexpr (using call = service_call_t<S>; std::is_same_v<output_t<call>, output>) {
        return std::invoke(inner, std::move(request));
    } else {
        return call_in_frame<output>(std::invoke(inner, std::move(request)));
    }
}

// A static member function, because GCC warns (-Wsubobject-linkage) about a coroutine template whose argument is the
// type of a lambda expression that is not a coroutine.
template <class S>
struct owning_call {
    static task<call_output_t<S>> start(const S& inner, proto::request_t<S> request, proto::when_full mode) {
        co_return co_await call_service(inner, std::move(request), mode);
    }
};

/// Same as call_service(), but the future owns the request.
template <class S>
auto start_call(const S& inner, proto::request_t<S>&& request, proto::when_full mode) {
    if constexpr (sheds_calls<S>) {
        return inner.call(std::move(request), mode);
    } else if constexpr (!std::is_reference_v<service_argument_t<S>>) {
        return call_service(inner, std::move(request), mode);
    } else {
        return owning_call<S>::start(inner, std::move(request), mode);
    }
}

/// Same as start_call(), with the error type `E`.
template <class E, class S>
auto start_call_with(const S& inner, proto::request_t<S>&& request, proto::when_full mode) {
    using output = std::expected<proto::response_t<S>, E>;
    if constexpr (std::is_same_v<output, call_output_t<S>>) {
        return start_call(inner, std::move(request), mode);
    } else {
        return call_in_frame<output>(start_call(inner, std::move(request), mode));
    }
}

/// The base of a layer around the service `S`. `Self` has a function `call<Given>(Given request, when_full)`, which
/// returns a task. `Given` is `Request`, or `Request&` if the caller keeps the request until a service takes it.
template <class Self, class S, class Request = proto::request_t<S>, class Response = proto::response_t<S>>
class layered {
public:
    using request_type = Request;
    using response_type = Response;
    static constexpr bool has_limit = eddy::detail::has_limit<S>();

    task<std::expected<Response, proto::error_t<S>>> operator()(Request request) const {
        return self().call(std::move(request), proto::when_full::wait);
    }
    task<std::expected<Response, proto::error_t<S>>> offer(Request& request, proto::when_full mode) const {
        return self().template call<Request&>(request, mode);
    }

protected:
    explicit layered(S&& inner) : inner_(std::move(inner)) {}

    /// Calls the inner service. The future refers to `request`.
    auto next(proto::request_t<S>&& request, proto::when_full mode) const {
        return call_service(inner_, std::move(request), mode);
    }
    /// Same as next(), but the future owns the request.
    auto start(proto::request_t<S>&& request, proto::when_full mode) const {
        return start_call(inner_, std::move(request), mode);
    }
    /// Gives the inner service up.
    [[nodiscard]] S&& release() && noexcept { return std::move(inner_); }

private:
    // SAFETY: Self derives from layered<Self>, so *this is the base of a Self.
    const Self& self() const noexcept { return static_cast<const Self&>(*this); }

    S inner_;
};

}  // namespace eddy::detail

namespace eddy::proto {

/// A layer, which turns a service into another service. timeout(), retry() and other functions of this module return
/// layers. `Fn` is called with a service and returns a service:
///
///     auto logged = proto::layer([](auto inner) { return logging_service(std::move(inner)); });
///
/// To support load_shed() outside of your service class, give the class a member `call(request, when_full)`. To support
/// offer(), give it a member `offer(Request&, when_full)` as well.
/// Thread safety: a plain value. A service with layers may be called on several threads at the same time, if the
/// service and the functions in its layers may.
template <class Fn>
class layer {
public:
    /// Takes ownership of `fn`.
    explicit layer(Fn fn) : fn_(std::move(fn)) {}

    /// Returns `inner` with this layer around it.
    template <class S>
    [[nodiscard]] auto operator()(S inner) const {
        constexpr bool fits = service<S>;
        static_assert(fits,
                      "eddy: this is not a service: a service has one const call operator with one parameter, which "
                      "returns a future; a class with a generic call operator also has a member type request_type");
        if constexpr (fits) return fn_(std::move(inner));
    }

private:
    Fn fn_;
};

/// Puts a layer around a service. The last layer is the outermost one: it sees the request first, and the response
/// last.
///
///     auto handler = service | proto::concurrency_limit(64) | proto::timeout(2s) | proto::load_shed();
///
/// Here load_shed() gets each request first, and the time limit includes the wait for a permit. The operator also joins
/// two layers to one, so a stack of layers can have a name:
///
///     const auto usual = proto::timeout(2s) | proto::load_shed();
///
/// Cost: no allocation. A call takes a coroutine frame for each layer that awaits.
template <class S, class Fn>
[[nodiscard]] auto operator|(S&& inner, const layer<Fn>& outer) {
    return outer(std::decay_t<S>(std::forward<S>(inner)));
}
template <class A, class B>
[[nodiscard]] auto operator|(layer<A> inner, layer<B> outer) {
    return layer([first = std::move(inner), second = std::move(outer)](auto service) {
        return second(first(std::move(service)));
    });
}

/// A type-erased service. Copies share the service. Errors of the service are converted to `Error`:
/// `boxed_service<std::string, http::response, http::client_error>`.
/// Thread safety: same as the service.
/// Lifetime: one of the copies must outlive the calls.
/// Cost: one allocation. A call adds no coroutine frame if the service takes its request by value and returns a
/// `task<std::expected<Response, Error>>`, as layers do.
template <class Request, class Response, class Error = std::error_code>
class boxed_service {
    struct base {
        base() = default;
        base(const base&) = delete;
        base& operator=(const base&) = delete;
        virtual ~base() = default;
        virtual task<std::expected<Response, Error>> call(Request request, when_full mode) const = 0;
        virtual task<std::expected<Response, Error>> offer(Request& request, when_full mode) const = 0;
    };
    template <class S>
    struct model final : base {
        explicit model(S&& given) : inner(std::move(given)) {}
        task<std::expected<Response, Error>> call(Request request, when_full mode) const override {
            using started = decltype(detail::start_call_with<Error>(inner, std::move(request), mode));
            if constexpr (std::is_same_v<started, task<std::expected<Response, Error>>>) {
                return detail::start_call_with<Error>(inner, std::move(request), mode);
            } else {
                return detail::owning_call<S>::start(inner, std::move(request), mode);
            }
        }
        task<std::expected<Response, Error>> offer(Request& request, when_full mode) const override {
            if constexpr (!detail::takes_offers<S>) {
                return call(std::move(request), mode);
            } else if constexpr (std::is_same_v<error_t<S>, Error>) {
                return inner.offer(request, mode);
            } else {
                return detail::call_in_frame<std::expected<Response, Error>>(inner.offer(request, mode));
            }
        }
        S inner;
    };

public:
    /// The types of the request and of the response.
    using request_type = Request;
    using response_type = Response;

    /// Takes ownership of `inner`, which has the same request type and the same response type.
    template <class S>
        requires(!std::is_same_v<S, boxed_service> && service<S> && std::is_same_v<request_t<S>, Request> &&
                 std::is_same_v<response_t<S>, Response>)
    boxed_service(S inner) : inner_(std::make_shared<const model<S>>(std::move(inner))) {}

    /// Calls the service.
    /// Errors: any error of the service.
    /// Cancel safety: same as the service.
    task<std::expected<Response, Error>> operator()(Request request) const {
        return inner_->call(std::move(request), when_full::wait);
    }
    task<std::expected<Response, Error>> call(Request request, when_full mode) const {
        return inner_->call(std::move(request), mode);
    }
    task<std::expected<Response, Error>> offer(Request& request, when_full mode) const {
        return inner_->offer(request, mode);
    }

private:
    std::shared_ptr<const base> inner_;
};

/// Calls a service, and leaves `request` unchanged if a layer refuses the call: with errc::overloaded from a limit of
/// the service, with errc::circuit_open, or because a buffer() or a client has ended. So a request that cannot be
/// copied, such as one with a streamed body, can be passed to another service, or offered again later. When a service
/// takes the request, it is moved from. retry() calls the service with copies of the request.
///
///     auto answer = co_await proto::offer(first, request);
///     if (!answer && answer.error() == errc::circuit_open) answer = co_await proto::offer(second, request);
///
/// A call with `handler(std::move(request))` gives the request away in any case. With `when_full::fail`, the call does
/// not wait for limits, as inside of load_shed().
/// Errors: any error of the service.
/// Cancel safety: same as the service. A call that is dropped while it waits for a permit of a limit, or of a client,
/// has not taken the request. With `when_full::wait`, a call that is dropped while it waits for the queue of a buffer()
/// loses the request.
/// Lifetime: `request` and the service must outlive the future.
template <service S>
[[nodiscard]] auto offer(const S& to, request_t<S>& request, when_full mode = when_full::wait) {
    return detail::call_service(to, std::move(request), mode);
}

}  // namespace eddy::proto
