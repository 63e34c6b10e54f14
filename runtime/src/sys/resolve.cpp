// SPDX-License-Identifier: MIT
#include "sys/resolve.hpp"

#if defined(_WIN32)
#include "sys/windows/winsock.hpp"
#else
#include <netdb.h>
#endif

#include <cstddef>
#include <memory>
#include <new>

#include "sys/sockaddr.hpp"
#include "sys/syscall.hpp"

namespace eddy::sys {
namespace {

class category final : public std::error_category {
public:
    const char* name() const noexcept override { return "getaddrinfo"; }
    std::string message(int code) const override { return ::gai_strerror(code); }
    std::error_condition default_error_condition(int code) const noexcept override {
        switch (code) {
        case EAI_AGAIN: return std::errc::resource_unavailable_try_again;
        case EAI_MEMORY: return std::errc::not_enough_memory;
        default: return {code, *this};
        }
    }
};

struct frees {
    void operator()(addrinfo* list) const noexcept { ::freeaddrinfo(list); }
};

}  // namespace

result<std::vector<net::socket_addr>> resolve(const std::string& host, std::uint16_t port) {
#if defined(_WIN32)
    start_winsock();
#endif
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;  // any single type; otherwise each address is returned once per type
    // Does not set AI_ADDRCONFIG: with it, glibc ignores loopback addresses, so ::1 would be missing on a machine with
    // only an IPv4 network. Unreachable addresses are sorted to the end anyway (RFC 6724, rule 1).
    addrinfo* found = nullptr;
    const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
    if (error != 0) return std::unexpected(resolver_error(error));
    const std::unique_ptr<addrinfo, frees> list(found);

    std::vector<net::socket_addr> addrs;
    for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
        if (auto addr = from_native(entry->ai_addr, static_cast<socklen_t>(entry->ai_addrlen))) {
            addr->set_port(port);
            addrs.push_back(*addr);
        }
    }
    return addrs;
}

std::error_code resolver_error(int code) noexcept {
#if defined(EAI_SYSTEM)
    if (code == EAI_SYSTEM) return last_error();
#endif
    return {code, resolver_category()};
}

const std::error_category& resolver_category() noexcept {
    // Never destroyed: see eddy::error_category().
    alignas(category) static std::byte storage[sizeof(category)];
    static const category& instance = *::new (storage) category;
    return instance;
}

}  // namespace eddy::sys
