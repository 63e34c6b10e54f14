// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <eddy/http/cookie_jar.hpp>
#include <eddy/http/headers.hpp>
#include <eddy/http/request.hpp>
#include <eddy/http/response.hpp>
#include <eddy/http/url.hpp>

namespace eddy::detail {

/// The field Cookie of a request that may be sent several times: the cookies of the caller, then the cookies of a jar.
/// Without a jar, the request stays as it is.
class request_cookies {
public:
    request_cookies(std::shared_ptr<http::cookie_jar> jar, const http::request& asked) : jar_(std::move(jar)) {
        if (!jar_) return;
        for (const auto& [name, value] : asked.headers)
            if (http::equal_names(name, "Cookie")) append(own_, value);
    }

    /// Sets the field.
    void set(http::request& asked, const http::url& to) const {
        if (!jar_) return;
        auto all = own_;
        append(all, jar_->cookies_for(to));
        asked.headers.remove("Cookie");
        if (!all.empty()) asked.headers.add("Cookie", all);
    }
    /// Stores the cookies of a response.
    void receive(const http::url& from, const http::response& answer) const {
        if (jar_) jar_->receive(from, answer.headers);
    }

private:
    static void append(std::string& to, std::string_view cookies) {
        if (!to.empty() && !cookies.empty()) to += "; ";
        to += cookies;
    }

    std::shared_ptr<http::cookie_jar> jar_;
    std::string own_;
};

}  // namespace eddy::detail
