// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "messages.hpp"

namespace bench {

/// The messages of an HTTP server: the same GET request each time. The server's first response is the expected answer.
/// Further responses may differ in the value of Date only.
class http_messages final : public messages {
public:
    /// Sends a request to the server on this port, and receives the response.
    explicit http_messages(std::uint16_t port);

    [[nodiscard]] std::size_t request_size() const noexcept override { return request_.size(); }
    [[nodiscard]] std::size_t answer_size() const noexcept override { return answer_.size(); }
    [[nodiscard]] const std::byte* request(unsigned, std::uint64_t) const noexcept override {
        return std::as_bytes(std::span(request_)).data();
    }
    [[nodiscard]] bool is_answer(unsigned, std::uint64_t, std::size_t offset,
                                 std::span<const std::byte> bytes) const noexcept override;

private:
    std::string request_;
    std::string answer_;
    std::size_t date_begin_ = 0;
    std::size_t date_end_ = 0;
};

}  // namespace bench
