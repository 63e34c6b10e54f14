// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <eddy/net/socket_addr.hpp>
#include <eddy/result.hpp>
#include <net/resolver.hpp>

namespace support {

/// Replaces the system's resolver until it is destroyed. Lookups that are running at that moment may still call its
/// function.
class stub_resolver {
public:
    using answer = eddy::result<std::vector<eddy::net::socket_addr>>;
    using function = std::function<answer(const std::string& host, std::uint16_t port)>;

    explicit stub_resolver(function f) {
        put(std::make_shared<const function>(std::move(f)));
        eddy::detail::set_resolver_for_tests(&stub_resolver::resolve);
    }
    /// Creates a resolver that returns `addrs` for all names.
    explicit stub_resolver(std::vector<eddy::net::socket_addr> addrs)
        : stub_resolver([addrs = std::move(addrs)](const std::string&, std::uint16_t) -> answer { return addrs; }) {}
    stub_resolver(const stub_resolver&) = delete;
    stub_resolver& operator=(const stub_resolver&) = delete;
    ~stub_resolver() { eddy::detail::set_resolver_for_tests(nullptr); }

private:
    static answer resolve(const std::string& host, std::uint16_t port) { return (*get())(host, port); }

    static void put(std::shared_ptr<const function> f) {
        const std::lock_guard guard(lock());
        current() = std::move(f);
    }
    static std::shared_ptr<const function> get() {
        const std::lock_guard guard(lock());
        return current();
    }
    // The mutex is never destroyed, because a thread may still use it when the process ends.
    static std::mutex& lock() {
        static auto& one = *new std::mutex;
        return one;
    }
    static std::shared_ptr<const function>& current() {
        static auto& one = *new std::shared_ptr<const function>;
        return one;
    }
};

}  // namespace support
