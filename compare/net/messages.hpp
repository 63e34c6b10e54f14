// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>

namespace bench {

/// An error of the server: a wrong byte, a lost connection, or no answer.
struct failure : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// The requests of the clients and the answers that they expect. All requests have the same size, and so do all
/// answers.
class messages {
public:
    messages() = default;
    messages(const messages&) = delete;
    messages& operator=(const messages&) = delete;
    virtual ~messages() = default;

    [[nodiscard]] virtual std::size_t request_size() const noexcept = 0;
    [[nodiscard]] virtual std::size_t answer_size() const noexcept = 0;
    [[nodiscard]] virtual const std::byte* request(unsigned connection, std::uint64_t sequence) const noexcept = 0;
    /// Returns whether `bytes` are the part of the answer that begins at `offset`.
    [[nodiscard]] virtual bool is_answer(unsigned connection, std::uint64_t sequence, std::size_t offset,
                                         std::span<const std::byte> bytes) const noexcept = 0;
};

}  // namespace bench
