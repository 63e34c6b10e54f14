// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace eddy::detail {

/// Numbered slots that stay where they are while more are made, so that code which runs in the middle of a change may
/// grow them, and no move of a value that throws can leave half of them behind. Cost: an allocation for each 16 slots.
template <class Slot>
class slot_chunks {
public:
    [[nodiscard]] std::size_t size() const noexcept { return chunks_.size() * per_chunk; }
    [[nodiscard]] Slot& operator[](std::size_t at) noexcept { return chunks_[at / per_chunk][at % per_chunk]; }
    [[nodiscard]] const Slot& operator[](std::size_t at) const noexcept {
        return chunks_[at / per_chunk][at % per_chunk];
    }

    /// Adds a chunk of slots at the end.
    void grow() { chunks_.push_back(std::make_unique<Slot[]>(per_chunk)); }
    /// Destroys the chunks at the end that none of the first `slots` are in.
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
