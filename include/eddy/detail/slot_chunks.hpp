// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace eddy::detail {

/// A growing array whose elements have stable addresses, in chunks of 16. Code that runs during a change may therefore
/// grow it, and a throwing move constructor cannot leave it partly moved.
/// Cost: one allocation per 16 elements.
template <class Slot>
class slot_chunks {
public:
    [[nodiscard]] std::size_t size() const noexcept { return chunks_.size() * per_chunk; }
    [[nodiscard]] Slot& operator[](std::size_t at) noexcept { return chunks_[at / per_chunk][at % per_chunk]; }
    [[nodiscard]] const Slot& operator[](std::size_t at) const noexcept {
        return chunks_[at / per_chunk][at % per_chunk];
    }

    /// Appends a chunk of slots.
    void grow() { chunks_.push_back(std::make_unique<Slot[]>(per_chunk)); }
    /// Destroys the trailing chunks that contain none of the first `slots` elements.
    void shrink_to(std::size_t slots) noexcept {
        const std::size_t kept = (slots + per_chunk - 1) / per_chunk;
        while (chunks_.size() > kept) chunks_.pop_back();
        if (chunks_.empty()) std::vector<std::unique_ptr<Slot[]>>().swap(chunks_);
    }

private:
    static constexpr std::size_t per_chunk = 16;

    std::vector<std::unique_ptr<Slot[]>> chunks_;
};

}  // namespace eddy::detail
