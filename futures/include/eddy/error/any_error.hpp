// SPDX-License-Identifier: MIT
#pragma once

#include <exception>
#include <expected>
#include <functional>
#include <memory>
#include <source_location>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include <version>
#ifdef __cpp_lib_format
#include <format>
#endif

#include <eddy/detail/call_site.hpp>
#include <eddy/detail/error_access.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/error.hpp>
#include <eddy/result.hpp>

namespace eddy {

/// How any_error reads an error of type `E`. The default takes the text of what() or message(), a string, or the
/// message of the error code; and the code of to_error_code() or code(), of the conversion to std::error_code, or of
/// make_error_code(). Specialize it for a type that has none of them, with the static functions below.
/// Thread safety: it has no state.
template <class E>
struct error_traits {
    /// Returns the text.
    static std::string message(const E& error)
        requires detail::has_error_text<E>
    {
        return detail::text_of_error(error);
    }
    /// Returns the error code, errc::other if there is none.
    static std::error_code code(const E& error) {
        if constexpr (detail::has_error_code<E>) {
            return detail::code_of_error(error);
        } else if constexpr (requires {
                                 { error.code() } -> std::convertible_to<std::error_code>;
                             }) {
            return error.code();
        } else {
            return errc::other;
        }
    }
};

/// An exception: its what(), and the code of a std::system_error.
/// Thread safety: it has no state.
template <>
struct EDDY_API error_traits<std::exception_ptr> {
    static std::string message(const std::exception_ptr& thrown);
    static std::error_code code(const std::exception_ptr& thrown) noexcept;
};

class any_error;

namespace detail {

/// An error of any type, as any_error keeps it.
class EDDY_API error_cause {
public:
    virtual ~error_cause();
    [[nodiscard]] virtual std::string message() const = 0;
    [[nodiscard]] virtual std::error_code code() const = 0;
    /// Returns the error if it has this type, otherwise null.
    [[nodiscard]] virtual const void* get_if(const std::type_info& type) const noexcept = 0;
};

template <class E>
class error_cause_of final : public error_cause {
public:
    template <class G>
    explicit error_cause_of(std::in_place_t, G&& error) : error_(std::forward<G>(error)) {}
    [[nodiscard]] std::string message() const override { return error_traits<E>::message(error_); }
    [[nodiscard]] std::error_code code() const override { return error_traits<E>::code(error_); }
    [[nodiscard]] const void* get_if(const std::type_info& type) const noexcept override {
        return type == typeid(E) ? std::addressof(error_) : nullptr;
    }

private:
    E error_;
};

/// The type in which any_error keeps an error that it is made from: a copy without references; texts are strings.
template <class E>
using kept_error = std::conditional_t<is_text<std::decay_t<E>>, std::string, std::decay_t<E>>;

// Not whether an E can be copied: a class that is made from an any_error would ask that here about itself.
template <class E>
concept kept_by_any_error = !std::is_same_v<std::decay_t<E>, any_error> && requires(const kept_error<E>& error) {
    { error_traits<kept_error<E>>::message(error) } -> std::convertible_to<std::string>;
};

/// Records that an error leaves a coroutine at `where`. `header` is any location in this file.
EDDY_API void note_place(any_error& error, call_site where, call_site header) noexcept;

}  // namespace detail

/// An error of any type, with its story: what failed and why, in the words of the error; what callers have added by
/// with_context(); and the `co_await`s and `co_return`s that it has passed, in Release builds, too. `try_` converts the
/// errors of all libraries to it, so a coroutine that mixes files, sockets, HTTP and processes returns an any_result.
///
///     load the configuration: read /etc/app.json: No such file or directory      message()
///     ^ context               ^ root cause
///
/// It can be made from each error that has a text: an error code, an error class of a library, an exception or a
/// std::exception_ptr, a std::string, a class with what() or message(), and a type with error_traits.
/// Thread safety: a plain value. Copies share their contents; the error that it was made from must be safe to read on
/// several threads.
/// Cost: one pointer. An error allocates twice, a copy does not. At most 16 places are kept.
class EDDY_API any_error {
public:
    /// Keeps `error`. Its text is made when it is asked for.
    template <class E>
        requires detail::kept_by_any_error<E>
    any_error(E&& error)  // NOLINT(google-explicit-constructor,bugprone-forwarding-reference-overload): constrained
        : any_error(std::shared_ptr<const detail::error_cause>(
              std::make_shared<detail::error_cause_of<detail::kept_error<E>>>(std::in_place, std::forward<E>(error)))) {
    }

    /// A move leaves `other` without an error: its message() is empty, and its code() is errc::other.
    any_error(const any_error& other) noexcept;
    any_error(any_error&& other) noexcept : story_(std::exchange(other.story_, nullptr)) {}
    any_error& operator=(any_error other) noexcept {
        std::swap(story_, other.story_);
        return *this;
    }
    ~any_error() {
        if (story_ != nullptr) release(story_);
    }

    /// Returns the error code of the root cause; errc::other if it has none.
    [[nodiscard]] std::error_code code() const;
    /// Same as code(), also for `try_` in a coroutine that returns a `result`.
    operator std::error_code() const { return code(); }  // NOLINT(google-explicit-constructor): for try_

    /// Returns the root cause if it is an `E`, otherwise null: `if (auto* failed = error.downcast<fs::error>())`.
    template <class E>
    [[nodiscard]] const E* downcast() const noexcept {
        return static_cast<const E*>(get_if(typeid(E)));
    }
    /// Returns whether the root cause is an `E`.
    template <class E>
    [[nodiscard]] bool is() const noexcept {
        return downcast<E>() != nullptr;
    }

    /// Returns the error with `text` in front of its message.
    [[nodiscard]] any_error context(std::string text) const&;
    [[nodiscard]] any_error context(std::string text) &&;

    /// Returns one line, from the outermost context to the root cause.
    [[nodiscard]] std::string message() const;
    /// Returns the text of the error that this one was made from.
    [[nodiscard]] std::string root_cause() const;
    /// Returns the parts of message(): the contexts, outermost first, and the root cause.
    [[nodiscard]] std::vector<std::string> chain() const;
    /// Returns where the error has left coroutines, innermost first: the places of `co_return` and `co_await try_`.
    [[nodiscard]] std::vector<std::source_location> places() const;
    /// Returns message() and a line for each of places(): "\n  at main.cpp:12 in fetch()". std::format prints it for
    /// "{:#}", and eddy::run() for the error of the main coroutine.
    [[nodiscard]] std::string report() const;
    /// Returns a JSON object: "message", "context", "cause", "code", "category", and "places" with "file", "line" and
    /// "function".
    [[nodiscard]] std::string to_json() const;

    /// Compares the error code.
    friend bool operator==(const any_error& a, const std::error_code& b) { return a.code() == b; }
    friend bool operator==(const any_error& a, const std::error_condition& b) { return a.code() == b; }
    friend bool operator==(const any_error& a, std::errc b) { return a.code() == b; }

private:
    struct story;
    friend void detail::note_place(any_error& error, detail::call_site where, detail::call_site header) noexcept;

    explicit any_error(std::shared_ptr<const detail::error_cause> cause);

    static void release(story* dropped) noexcept;
    /// Returns the story for changes, which other copies do not see.
    [[nodiscard]] story& own_story();
    [[nodiscard]] const void* get_if(const std::type_info& type) const noexcept;

    story* story_;
};

static_assert(sizeof(any_error) == sizeof(void*));

namespace detail {

inline void note_place(any_error& error, call_site where) noexcept { note_place(error, where, EDDY_HERE); }

}  // namespace detail

/// A value, or an error with its story. A main coroutine, and each function that only passes errors on, can return it.
template <class T>
using any_result = std::expected<T, any_error>;

/// Prints the text of an error: message().
using detail::printing::operator<<;

namespace detail {

template <>
struct explains_access<any_error> : std::true_type {};

template <class T>
inline constexpr bool is_any_result = false;
template <class T>
inline constexpr bool is_any_result<any_result<T>> = true;

/// A context that with_context() takes: a text, or a function that returns one.
template <class C>
concept context_text = is_text<std::decay_t<C>> || requires(std::decay_t<C>& make) {
    { std::invoke(make) } -> std::convertible_to<std::string>;
};

/// Returns `error` with a context.
template <class E, class C>
any_error in_context(E&& error, C& context) {
    if constexpr (is_text<C>) {
        return any_error(std::forward<E>(error)).context(std::string(std::string_view(context)));
    } else {
        return any_error(std::forward<E>(error)).context(std::invoke(context));
    }
}

}  // namespace detail

/// Adds what the caller was about to do to the error of a std::expected:
///     co_await try_(with_context(parse(text), "parse the configuration"))
/// `context` is a text, or a function that returns one and is called for an error only. For futures, see the overload
/// in eddy/future/combinators.hpp.
template <class X, class C>
    requires(detail::is_expected<std::remove_cvref_t<X>> && detail::context_text<C>)
[[nodiscard]] any_result<typename std::remove_cvref_t<X>::value_type> with_context(X&& outcome, C&& context) {
    using made = any_result<typename std::remove_cvref_t<X>::value_type>;
    if (!outcome) [[unlikely]] {
        auto&& text = std::forward<C>(context);
        return made(std::unexpect, detail::in_context(std::forward<X>(outcome).error(), text));
    }
    if constexpr (std::is_void_v<typename made::value_type>) {
        return made();
    } else {
        return made(std::in_place, *std::forward<X>(outcome));
    }
}

}  // namespace eddy

#ifdef __cpp_lib_format
/// "{}" prints message(), with the options of a string. "{:#}" prints report().
template <>
struct std::formatter<eddy::any_error> : std::formatter<std::string_view> {
    constexpr auto parse(std::format_parse_context& options) {
        reports_ = options.begin() != options.end() && *options.begin() == '#';
        if (reports_) options.advance_to(options.begin() + 1);
        return std::formatter<std::string_view>::parse(options);
    }
    template <class Context>
    typename Context::iterator format(const eddy::any_error& error, Context& to) const {
        return std::formatter<std::string_view>::format(reports_ ? error.report() : error.message(), to);
    }

private:
    bool reports_ = false;
};
#endif
