// SPDX-License-Identifier: MIT
#include <eddy/error/any_error.hpp>

#include <array>
#include <cstddef>

#include <eddy/detail/ref_count.hpp>

#include "future/is_in_library.hpp"
#include "future/readable_name.hpp"

namespace eddy {
namespace {

/// Calls `read` with the exception as a std::exception, or with null if it is none.
template <class Read>
auto with_exception(const std::exception_ptr& thrown, Read read) {
    try {
        if (thrown != nullptr) std::rethrow_exception(thrown);
    } catch (const std::exception& e) {
        return read(&e);
    } catch (...) {  // NOLINT(bugprone-empty-catch): below
    }
    return read(static_cast<const std::exception*>(nullptr));
}

std::string line_of(const std::source_location& where) {
    return std::string(where.file_name()) + ':' + std::to_string(where.line()) + " in " +
           detail::readable_name(where.function_name());
}

void append_quoted(std::string& to, std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    to += '"';
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            to.append(1, '\\').append(1, c);
        } else if (const auto byte = static_cast<unsigned char>(c); byte < 0x20) {
            to.append("\\u00").append(1, digits[byte / 16]).append(1, digits[byte % 16]);
        } else {
            to += c;
        }
    }
    to += '"';
}

/// Appends `items` as a JSON list. `append(item)` appends one.
template <class Items, class Append>
void append_list(std::string& to, const Items& items, Append append) {
    char before = '[';
    for (const auto& item : items) {
        to += before;
        append(item);
        before = ',';
    }
    to += before == '[' ? "[]" : "]";
}

}  // namespace

std::string error_traits<std::exception_ptr>::message(const std::exception_ptr& thrown) {
    return with_exception(thrown, [](const std::exception* e) {
        return std::string(e != nullptr ? e->what() : "an exception that is not a std::exception");
    });
}

std::error_code error_traits<std::exception_ptr>::code(const std::exception_ptr& thrown) noexcept {
    return with_exception(thrown, [](const std::exception* e) {
        const auto* const coded = dynamic_cast<const std::system_error*>(e);
        return coded != nullptr ? coded->code() : make_error_code(errc::other);
    });
}

detail::error_cause::~error_cause() = default;

struct any_error::story {
    detail::ref_count<> owners;
    std::shared_ptr<const detail::error_cause> cause;
    std::vector<std::string> contexts{};  // innermost first
    std::array<detail::call_site, 16> places{};
    std::size_t place_count = 0;
    detail::call_site header = nullptr;

    explicit story(std::shared_ptr<const detail::error_cause> of) : cause(std::move(of)) {}
    /// A copy has one owner.
    story(const story& other)
        : cause(other.cause),
          contexts(other.contexts),
          places(other.places),
          place_count(other.place_count),
          header(other.header) {}
    story& operator=(const story&) = delete;
};

any_error::any_error(std::shared_ptr<const detail::error_cause> cause) : story_(new story(std::move(cause))) {}

any_error::any_error(const any_error& other) noexcept : story_(other.story_) {
    if (story_ != nullptr) story_->owners.add();
}

void any_error::release(story* dropped) noexcept {
    if (dropped->owners.drop()) delete dropped;
}

any_error::story& any_error::own_story() {
    if (story_ == nullptr) {
        *this = any_error(std::string());
    } else if (story_->owners.count() != 1) {
        story* const mine = new story(*story_);
        release(std::exchange(story_, mine));
    }
    return *story_;
}

std::error_code any_error::code() const try {
    return story_ != nullptr ? story_->cause->code() : make_error_code(errc::other);
} catch (...) {  // from to_error_code() of the join_error of a task that has thrown
    return error_traits<std::exception_ptr>::code(std::current_exception());
}

const void* any_error::get_if(const std::type_info& type) const noexcept {
    return story_ != nullptr ? story_->cause->get_if(type) : nullptr;
}

any_error any_error::context(std::string text) const& { return any_error(*this).context(std::move(text)); }
any_error any_error::context(std::string text) && {
    own_story().contexts.push_back(std::move(text));
    return std::move(*this);
}

std::string any_error::root_cause() const { return story_ != nullptr ? story_->cause->message() : std::string(); }

std::vector<std::string> any_error::chain() const {
    std::vector<std::string> parts;
    if (story_ == nullptr) return parts;
    parts.assign(story_->contexts.rbegin(), story_->contexts.rend());
    parts.push_back(root_cause());
    return parts;
}

std::string any_error::message() const {
    std::string text;
    for (const std::string& part : chain()) text.append(text.empty() ? "" : ": ").append(part);
    return text;
}

std::vector<std::source_location> any_error::places() const {
    std::vector<std::source_location> all;
    if (story_ == nullptr) return all;
    for (std::size_t i = 0; i < story_->place_count; ++i) {
        if (!detail::is_in_library(story_->places[i], story_->header, "error/any_error.hpp"))
            all.push_back(detail::source_location_of(story_->places[i]));
    }
    return all;
}

std::string any_error::report() const {
    std::string text = message();
    for (const std::source_location& place : places()) text += "\n  at " + line_of(place);
    return text;
}

std::string any_error::to_json() const {
    std::string text = "{\"message\":";
    append_quoted(text, message());
    auto contexts = chain();
    if (!contexts.empty()) contexts.pop_back();
    text += ",\"context\":";
    append_list(text, contexts, [&](const std::string& part) { append_quoted(text, part); });
    text += ",\"cause\":";
    append_quoted(text, root_cause());
    const std::error_code why = code();
    text += ",\"code\":" + std::to_string(why.value()) + ",\"category\":";
    append_quoted(text, why.category().name());
    text += ",\"places\":";
    append_list(text, places(), [&](const std::source_location& place) {
        text += "{\"file\":";
        append_quoted(text, place.file_name());
        text += ",\"line\":" + std::to_string(place.line()) + ",\"function\":";
        append_quoted(text, detail::readable_name(place.function_name()));
        text += '}';
    });
    return text + '}';
}

void detail::note_place(any_error& error, call_site where, call_site header) noexcept try {
    auto& story = error.own_story();
    story.header = header;
    if (story.place_count < story.places.size()) story.places[story.place_count++] = where;
} catch (...) {  // NOLINT(bugprone-empty-catch): without memory for a copy, the place is not kept
}

}  // namespace eddy
