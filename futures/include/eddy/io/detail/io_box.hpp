// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/detail/awaited_part.hpp>
#include <eddy/future/future.hpp>
#include <eddy/io/detail/forwards_io.hpp>
#include <eddy/io/detail/io_checks.hpp>
#include <eddy/result.hpp>

// The objects in the boxes of eddy/io/boxed.hpp.

namespace eddy::detail {

// ---- The interfaces behind the boxes ----

// A box does not know the type of its object. So an object has the address of its shape, for readers of the memory:
// behind the pointer of the virtual functions.

struct reader_face {
    const void* read_shape = nullptr;
    static constexpr std::uint32_t read_shape_at = sizeof(void*);
    static constexpr auto wait_shape(auto) { return described_at(read_shape_at); }

    virtual poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) = 0;
    virtual poll_result<result<std::size_t>> poll_read_vectored(context& cx,
                                                                std::span<const std::span<std::byte>> into) = 0;
    virtual ~reader_face() = default;
};
struct buf_reader_face : reader_face {
    virtual poll_result<result<std::span<const std::byte>>> poll_fill_buf(context& cx) = 0;
    virtual void consume(std::size_t count) = 0;
};
struct seeker_face : reader_face {
    virtual result<void> start_seek(io::seek_from to) = 0;
    virtual poll_result<result<std::uint64_t>> poll_seek_complete(context& cx) = 0;
};
struct writer_face {
    const void* write_shape = nullptr;
    static constexpr std::uint32_t write_shape_at = sizeof(void*);
    static constexpr auto wait_shape(auto) { return described_at(write_shape_at); }

    virtual poll_result<result<std::size_t>> poll_write(context& cx, std::span<const std::byte> from) = 0;
    virtual poll_result<result<std::size_t>> poll_write_vectored(context& cx,
                                                                 std::span<const std::span<const std::byte>> from) = 0;
    virtual poll_result<result<void>> poll_flush(context& cx) = 0;
    virtual poll_result<result<void>> poll_shutdown(context& cx) = 0;
    virtual ~writer_face() = default;
};
struct stream_face : reader_face, writer_face {
    static constexpr auto wait_shape(io_way<direction::read> way) { return reader_face::wait_shape(way); }
    static constexpr auto wait_shape(io_way<direction::write>) {
        return described_at(sizeof(reader_face) + write_shape_at);
    }
};

template <class Face, class T>
struct boxed_io_base : Face {
    explicit boxed_io_base(T&& inner) : object(std::move(inner)) {
        using its = boxed_io_base;
        if constexpr (std::derived_from<Face, reader_face>) this->read_shape = &io_shape_of<its, direction::read>;
        if constexpr (std::derived_from<Face, writer_face>) this->write_shape = &io_shape_of<its, direction::write>;
    }
    /// As this class, which is abstract.
    struct layout {
        alignas(Face) std::byte face[sizeof(Face)];
        T object;
    };
    static constexpr auto wait_shape(auto way) { return inspect::uses(way, &layout::object); }
    T object;
};

template <class Base>
struct boxed_read : Base {
    using Base::Base;
    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) final {
        return this->object.poll_read(cx, into);
    }
    poll_result<result<std::size_t>> poll_read_vectored(context& cx, std::span<const std::span<std::byte>> into) final {
        return poll_read_parts(this->object, cx, into);
    }
};
template <class Base>
struct boxed_buf_read : boxed_read<Base> {
    using boxed_read<Base>::boxed_read;
    poll_result<result<std::span<const std::byte>>> poll_fill_buf(context& cx) final {
        return this->object.poll_fill_buf(cx);
    }
    void consume(std::size_t count) final { this->object.consume(count); }
};
template <class Base>
struct boxed_seek : boxed_read<Base> {
    using boxed_read<Base>::boxed_read;
    result<void> start_seek(io::seek_from to) final { return this->object.start_seek(to); }
    poll_result<result<std::uint64_t>> poll_seek_complete(context& cx) final {
        return this->object.poll_seek_complete(cx);
    }
};
template <class Base>
struct boxed_write : Base {
    using Base::Base;
    poll_result<result<std::size_t>> poll_write(context& cx, std::span<const std::byte> from) final {
        return this->object.poll_write(cx, from);
    }
    poll_result<result<std::size_t>> poll_write_vectored(context& cx,
                                                         std::span<const std::span<const std::byte>> from) final {
        return poll_write_parts(this->object, cx, from);
    }
    poll_result<result<void>> poll_flush(context& cx) final { return this->object.poll_flush(cx); }
    poll_result<result<void>> poll_shutdown(context& cx) final { return this->object.poll_shutdown(cx); }
};

/// Owns the object of a box. Not a std::unique_ptr, which takes longer to compile: each box would add an instance.
template <class Face>
class io_box {
public:
    using inner_type = Face;

    explicit io_box(Face* inner) noexcept : inner_(inner) {}
    io_box(io_box&& other) noexcept : inner_(std::exchange(other.inner_, nullptr)) {}
    io_box& operator=(io_box&& other) noexcept {
        io_box(std::move(other)).swap(*this);
        return *this;
    }
    ~io_box() { delete inner_; }

    static constexpr auto wait_shape(auto way) { return inspect::uses(way, &io_box::inner_); }

    /// Returns the object.
    /// Errors: throws `misuse` if the box was moved from.
    [[nodiscard]] Face& inner() const {
        if (inner_ == nullptr) throw_moved();
        return *inner_;
    }

private:
    void swap(io_box& other) noexcept { std::swap(inner_, other.inner_); }
    [[noreturn]] static void throw_moved() {
        throw misuse("a boxed reader or writer was used after it had been moved from");
    }

    Face* inner_;  // null after a move
};

/// Makes the object of a box, which will own it. If `Fits` is false, a static_assert has reported it, and this returns
/// null.
template <bool Fits, class Face, template <class> class Offers, class T>
Face* make_io_box(T&& inner) {
    if constexpr (Fits) {
        return new Offers<boxed_io_base<Face, T>>(std::forward<T>(inner));
    } else {
        return nullptr;
    }
}
template <class Base>
using boxed_read_write = boxed_read<boxed_write<Base>>;

template <class Box, class T>
concept may_be_boxed = !std::is_lvalue_reference_v<T> && !std::derived_from<std::remove_cvref_t<T>, Box>;

}  // namespace eddy::detail
