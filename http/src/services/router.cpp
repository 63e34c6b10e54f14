// SPDX-License-Identifier: MIT
#include <eddy/http/router.hpp>

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <eddy/error.hpp>

#include "message/syntax.hpp"

namespace eddy::detail {
namespace {

struct route {
    std::optional<http::method> method;  // empty: any method
    http::service answer;
    std::vector<std::string> names;  // of the parameters, in their order
};

/// A part of a path, and the parts that may follow it.
struct path_node {
    std::vector<std::pair<std::string, std::unique_ptr<path_node>>> literals;
    std::unique_ptr<path_node> parameter;
    std::unique_ptr<path_node> rest;
    std::vector<route> routes;  // of the path that ends here

    [[nodiscard]] const path_node* literal(std::string_view part) const noexcept {
        for (const auto& [text, node] : literals)
            if (text == part) return node.get();
        return nullptr;
    }
    path_node& make_literal(std::string_view part) {
        for (const auto& [text, node] : literals)
            if (text == part) return *node;
        return *literals.emplace_back(std::string(part), std::make_unique<path_node>()).second;
    }
};

path_node& make_child(std::unique_ptr<path_node>& child) {
    if (!child) child = std::make_unique<path_node>();
    return *child;
}

/// The node that a path selects, and the values of its parameters.
struct match {
    const path_node* node = nullptr;
    std::vector<std::string> values;

    /// Finds the node of a path. Visits each node at most once, because the depth of a node is the number of parts
    /// before it.
    bool find(const path_node& at, std::span<const std::string> parts) {
        if (parts.empty()) return !at.routes.empty() && found(at);
        const auto* const next = at.literal(parts.front());
        if (next != nullptr && find(*next, parts.subspan(1))) return true;
        if (at.parameter && !parts.front().empty()) {
            values.push_back(parts.front());
            if (find(*at.parameter, parts.subspan(1))) return true;
            values.pop_back();
        }
        return match_rest(at, parts);
    }

private:
    bool found(const path_node& at) noexcept {
        node = &at;
        return true;
    }
    bool match_rest(const path_node& at, std::span<const std::string> parts) {
        if (!at.rest) return false;
        std::string all;
        for (std::size_t i = 0; i < parts.size(); ++i) all.append(i == 0 ? "" : "/").append(parts[i]);
        values.push_back(std::move(all));
        return found(*at.rest);
    }
};

/// Returns whether a decoded part is "." or "..", or has one of them between slashes. Clients resolve these parts
/// before they send a request. A request that still contains one may be an attempt to leave the folder of a service.
bool has_dots(std::string_view part) noexcept {
    while (!part.empty()) {
        const auto name = take_part(part, '/');
        if (name == "." || name == "..") return true;
    }
    return false;
}

/// Splits "/a/b" into its decoded parts. Returns nullopt for an invalid "%", a NUL, "." or "..".
std::optional<std::vector<std::string>> split_path(std::string_view path) {
    std::vector<std::string> parts;
    parts.reserve(static_cast<std::size_t>(std::ranges::count(path, '/')));
    path.remove_prefix(1);
    for (;;) {
        const bool is_last = path.find('/') == std::string_view::npos;
        auto part = http::decode_percent(take_part(path, '/'));
        if (!part || part->find('\0') != std::string::npos || has_dots(*part)) return std::nullopt;
        parts.push_back(*std::move(part));
        if (is_last) return parts;
    }
}

http::response refusal(http::status why) { return http::response::text(std::string(http::reason_of(why)) + "\n", why); }

/// Methods, in the order in which they were added.
class method_list {
public:
    void add(http::method one) {
        if (!contains(one)) methods_.push_back(one);
    }
    /// Returns the value of the field Allow. A route for GET also answers HEAD.
    [[nodiscard]] std::string text() const {
        std::string all;
        for (const auto each : methods_) all.append(all.empty() ? "" : ", ").append(http::to_string(each));
        if (contains(http::method::get) && !contains(http::method::head)) all.append(", HEAD");
        return all;
    }

private:
    [[nodiscard]] bool contains(http::method one) const noexcept {
        return std::ranges::find(methods_, one) != methods_.end();
    }

    std::vector<http::method> methods_;
};

http::response method_not_allowed(const path_node& at) {
    method_list allowed;
    for (const auto& each : at.routes) allowed.add(*each.method);
    auto answer = refusal(http::status::method_not_allowed);
    answer.headers.add("Allow", allowed.text());
    return answer;
}

const route* route_of(const path_node& at, http::method asked) noexcept {
    for (const auto& each : at.routes)
        if (each.method == asked) return &each;
    if (asked == http::method::head) return route_of(at, http::method::get);
    for (const auto& each : at.routes)
        if (!each.method) return &each;
    return nullptr;
}

task<result<http::response>> refuse(http::response answer) { co_return std::move(answer); }

}  // namespace

class http_routes {
public:
    void add(std::optional<http::method> what, std::string_view pattern, const http::service& answer,
             const std::source_location& where) {
        if (!pattern.starts_with('/')) throw misuse("the pattern of a route must begin with a slash", where);
        if (pattern.find_first_of("?#") != std::string_view::npos)
            throw misuse("the pattern of a route is a path without a query: read parameters with request::query()",
                         where);
        route made{what, answer, {}};
        path_node* at = &root_;
        pattern.remove_prefix(1);
        for (bool is_last = false; !is_last;) {
            is_last = pattern.find('/') == std::string_view::npos;
            at = &child(*at, take_part(pattern, '/'), is_last, made.names, where);
        }
        if (std::ranges::find(at->routes, what, &route::method) != at->routes.end())
            throw misuse("the router has a route for this method and path already", where);
        at->routes.push_back(std::move(made));
        if (what) {
            methods_.add(*what);
        } else {
            for (const auto each : all_methods) methods_.add(each);
        }
    }

    [[nodiscard]] task<result<http::response>> call(http::request asked) const {
        if (asked.method == http::method::options && asked.target == "*") return refuse(server_options());
        if (!asked.target.starts_with('/')) return refuse(refusal(http::status::not_found));
        const auto parts = split_path(asked.path());
        if (!parts) return refuse(refusal(http::status::bad_request));
        match found;
        if (!found.find(root_, *parts)) return refuse(refusal(http::status::not_found));
        const auto* const selected = route_of(*found.node, asked.method);
        if (selected == nullptr) return refuse(method_not_allowed(*found.node));
        for (std::size_t i = 0; i < selected->names.size(); ++i)
            asked.parameters.emplace_back(selected->names[i], std::move(found.values[i]));
        return selected->answer(std::move(asked));
    }

private:
    static constexpr std::array all_methods = {http::method::get,     http::method::head,  http::method::post,
                                               http::method::put,     http::method::patch, http::method::delete_,
                                               http::method::options, http::method::trace, http::method::query};

    /// Returns the response to "OPTIONS *", which concerns the whole server (RFC 9110, section 9.3.7).
    [[nodiscard]] http::response server_options() const {
        auto allowed = methods_;
        allowed.add(http::method::options);
        http::response answer(http::status::no_content);
        answer.headers.add("Allow", allowed.text());
        return answer;
    }

    static path_node& child(path_node& at, std::string_view part, bool is_last, std::vector<std::string>& names,
                            const std::source_location& where) {
        if (part.starts_with(':') || part.starts_with('*') || part.starts_with('<'))
            throw misuse("a parameter of a route is written {name}, or {name...} for the rest of the path", where);
        if (part.find_first_of("{}") == std::string_view::npos) return at.make_literal(part);
        const bool is_rest = part.ends_with("...}");
        const std::size_t suffix = is_rest ? 4 : 1;
        const auto name = part.size() > suffix + 1 ? part.substr(1, part.size() - 1 - suffix) : std::string_view();
        if (!part.starts_with('{') || !part.ends_with('}') || !is_token(name))
            throw misuse("a parameter of a route must be a whole part of the path: {name}, or {name...} at the end",
                         where);
        if (is_rest && !is_last) throw misuse("{name...} must be the last part of a route", where);
        if (std::ranges::find(names, name) != names.end())
            throw misuse("two parameters of a route have the same name", where);
        names.emplace_back(name);
        return make_child(is_rest ? at.rest : at.parameter);
    }

    path_node root_;
    method_list methods_;  // of all routes
};

}  // namespace eddy::detail

namespace eddy::http {

router::router() : routes_(std::make_shared<detail::http_routes>()) {}

router& router::add(method what, std::string_view pattern, const service& answer, std::source_location where) {
    routes_->add(what, pattern, answer, where);
    return *this;
}

router& router::any(std::string_view pattern, const service& answer, std::source_location where) {
    routes_->add(std::nullopt, pattern, answer, where);
    return *this;
}

task<result<response>> router::operator()(request asked) const { return routes_->call(std::move(asked)); }

}  // namespace eddy::http
