// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>

#include <eddy/detail/small_algorithms.hpp>

// Describes the types of futures to readers of the program's memory: what a future waits for, where in it that is, and
// which futures are in it. Everything is constant. See inspect/docs/format.md.
//
// This header has no other includes, since readers of other programs use it, too.

namespace eddy::inspect {

/// What a future waits for. `wait_kinds` says what each of them means. Add new ones at the end, here and there.
enum class wait_kind : std::uint16_t {
    other,
    frames,
    timer,
    readable,
    writable,
    mutex,
    read_lock,
    write_lock,
    semaphore,
    channel_send,
    channel_receive,
    oneshot,
    notify,
    watch,
    join,
    task_set,
    scope,
    blocking,
    local_set,
    any_wakeup,
    any_of,
    all_of,
    inner,
    object,
    data_from,
    room_in,
    readiness,
    named_fd,
    child_process,
};

/// What is at shape_record::offset in a future. If shape_record::is_inside, the object itself is there, not its
/// address.
enum class wait_word : std::uint8_t {
    // docs: words of waits
    nothing,
    children,     // nothing: it waits for its children
    first_child,  // nothing: an adaptor, which waits for what its first child that exists waits for
    root,         // the address of the root of a coroutine, whose frames are shown
    deadline,     // a time of CLOCK_MONOTONIC in ns
    object,       // the address of an object
    socket,       // the address of a socket, which has a descriptor
    lock,         // the address of the permits of a lock
    permits,      // the address of the permits of a semaphore
    channel,      // the address of the permits of a channel, which are fewer bits
    task,         // the address of a task, which is blocking work if the shape in its ops has that kind
    scope,        // the address of a scope
    descriptor,   // the address of an object that begins with a descriptor, 4 bytes
    process,      // the address of an object that begins with the number of a process, 4 bytes
    // docs: end
};

/// A kind of waits.
struct wait_kind_row {
    wait_kind kind;
    wait_word word;
    const char* text;  ///< what readers show: `{type}` is the name of the future's type, `{}` what they read
};

/// All kinds, in the order of their numbers. `tools/check_pages.py --fix` copies the rows for readers in other
/// languages: into inspect/docs/format.md and inspect/gdb/eddy-gdb.py.
inline constexpr wait_kind_row wait_kinds[] = {
    // docs: kinds of waits
    {wait_kind::other, wait_word::nothing, "{type}"},
    {wait_kind::frames, wait_word::root, "a coroutine"},
    {wait_kind::timer, wait_word::deadline, "a timer{}"},
    {wait_kind::readable, wait_word::socket, "data from{}"},
    {wait_kind::writable, wait_word::socket, "room to write to{}"},
    {wait_kind::mutex, wait_word::lock, "a mutex{}"},
    {wait_kind::read_lock, wait_word::lock, "a read lock{}"},
    {wait_kind::write_lock, wait_word::lock, "a write lock{}"},
    {wait_kind::semaphore, wait_word::permits, "a semaphore{}"},
    {wait_kind::channel_send, wait_word::channel, "room in a channel{}"},
    {wait_kind::channel_receive, wait_word::object, "a message from a channel{}"},
    {wait_kind::oneshot, wait_word::object, "the value of a oneshot{}"},
    {wait_kind::notify, wait_word::object, "a notification{}"},
    {wait_kind::watch, wait_word::object, "a new value of a watch{}"},
    {wait_kind::join, wait_word::task, "the end of{}"},
    {wait_kind::task_set, wait_word::object, "a task of a set{}"},
    {wait_kind::scope, wait_word::scope, "the children of a scope{}"},
    {wait_kind::blocking, wait_word::object, "blocking work{}"},
    {wait_kind::local_set, wait_word::object, "the tasks of a local set{}"},
    {wait_kind::any_wakeup, wait_word::nothing, "any wake-up"},
    {wait_kind::any_of, wait_word::children, "the first of{}"},
    {wait_kind::all_of, wait_word::children, "all of{}"},
    {wait_kind::inner, wait_word::first_child, "{type}"},
    {wait_kind::object, wait_word::object, "{type}{}"},
    {wait_kind::data_from, wait_word::descriptor, "data from{}"},
    {wait_kind::room_in, wait_word::descriptor, "room to write to{}"},
    {wait_kind::readiness, wait_word::descriptor, "the readiness of{}"},
    {wait_kind::named_fd, wait_word::descriptor, "{type} of{}"},
    {wait_kind::child_process, wait_word::process, "child process{}"},
    // docs: end
};

/// The type of a future. Constant. `Pointer` is `const void*` in the program, which can be initialized at compile time,
/// and a number in a reader.
template <class Pointer>
struct basic_shape_record {
    Pointer name;  ///< the name of the type
    wait_kind kind;
    std::uint8_t child_count;
    std::uint8_t is_inside;  ///< 1: at `offset` is the object itself, not its address
    std::uint32_t offset;    ///< in the future, of the word that `kind` needs
    Pointer children;        ///< child_records
};

/// A future in a future.
template <class Pointer>
struct basic_child_record {
    static constexpr std::uint32_t always = 0xffff'ffff;

    Pointer shape;  ///< null: the address of the shape is in the child at `stride`
    Pointer label;  ///< a text, for example "timer"; may be null
    std::uint32_t offset;
    std::uint32_t alive;     ///< the offset of a byte in the outer future, the array's element or the node; or `always`
    std::uint32_t alive_is;  ///< the child exists if that byte has this value
    std::uint32_t is_at;     ///< how the child is found, see below
    std::uint32_t stride;    ///< of an array; in the nodes of a list, of the next node's address; see also `shape`
    std::uint32_t in_node;   ///< of the child in a node of a list

    // Values of is_at: what is at `offset`.
    static constexpr std::uint32_t itself = 0;
    static constexpr std::uint32_t pointer = 1;  ///< the child's address, which may be null
    static constexpr std::uint32_t array = 2;    ///< the address of the first child, and the one behind the last child
    static constexpr std::uint32_t list = 3;     ///< the address of the first node, which may be null
};

}  // namespace eddy::inspect

namespace eddy::detail {

using wait_kind = inspect::wait_kind;
using shape_record = inspect::basic_shape_record<const void*>;
using child_record = inspect::basic_child_record<const void*>;

/// What the function wait_shape() of a future's class returns. `N` is the number of futures in it.
template <std::size_t N = 0>
struct wait_shape {
    wait_kind kind;
    std::uint32_t offset = 0;
    std::array<child_record, N> children{};
    bool is_inside = false;      // the object, and not its address, is at `offset`
    const char* name = nullptr;  // the name of its type, if null
};

/// A future or stream that describes itself: a static function wait_shape(), which is a constant expression.
template <class F>
concept has_wait_shape = requires { F::wait_shape(); };

/// Returns the name of a type, as compilers print it in the name of a function: between "F = " and the end.
template <class F>
constexpr std::string_view name_in_signature() {
    const std::string_view text = __PRETTY_FUNCTION__;
    return text.substr(text.find("F = ") + 4);
}

/// Shortens the name of a type, and returns its size. `into` may be null.
///
/// Template arguments are omitted, since the names of futures of futures would be larger than the code. So are unnamed
/// namespaces, and the parameters of the function in which a class is. A lambda is "function::<lambda>" with GCC, and
/// "lambda at file:line:column" with Clang.
constexpr std::size_t shorten_name(std::string_view from, char* into) {
    std::size_t size = 0;
    const auto add = [&](std::string_view text) {
        for (const char c : text) {
            if (into != nullptr) into[size] = c;
            ++size;
        }
    };
    while (!from.empty()) {
        const auto skip = [&from](std::string_view text) {
            const bool is_next = from.starts_with(text);
            if (is_next) from.remove_prefix(text.size());
            return is_next;
        };
        if (skip("{anonymous}::") || skip("(anonymous namespace)::")) continue;
        if (from.starts_with("(lambda at ")) {
            add(from.substr(1, from.find(')') - 1));
            return size;
        }
        if (from.starts_with("<lambda")) {
            add("<lambda>");
            return size;
        }
        if (from[0] == '(') {
            from.remove_prefix(lesser(from.size(), from.find(')') + 1));
            continue;
        }
        if (from[0] == '<' || from[0] == ';' || from[0] == ']') return size;
        add(from.substr(0, 1));
        from.remove_prefix(1);
    }
    return size;
}

/// The short name of a type, with a zero at the end.
template <class F>
inline constexpr auto type_text = [] {
    std::array<char, shorten_name(name_in_signature<F>(), nullptr) + 1> text{};
    shorten_name(name_in_signature<F>(), text.data());
    return text;
}();

template <class F>
inline constexpr auto described = [] {
    if constexpr (has_wait_shape<F>) {
        return F::wait_shape();
    } else {
        return wait_shape<>{wait_kind::other};
    }
}();

/// Makes the record of a description with static storage duration.
template <std::size_t N>
constexpr shape_record record_of(const char* name, const wait_shape<N>& of) noexcept {
    static_assert(N < 256, "a reader counts the children in one byte");
    return {of.name != nullptr ? of.name : name,  of.kind, static_cast<std::uint8_t>(N), of.is_inside, of.offset,
            N == 0 ? nullptr : of.children.data()};
}

/// The shape of a type of futures or streams.
template <class F>
inline constexpr shape_record shape_of = record_of(type_text<F>.data(), described<F>);

template <auto Describe>
inline constexpr auto described_by = Describe();
template <auto Describe>
inline constexpr shape_record shape_by = record_of(nullptr, described_by<Describe>);

// ---- Parts of descriptions ----

template <class M>
inline constexpr bool is_optional = false;
template <class F>
inline constexpr bool is_optional<std::optional<F>> = true;

/// A future of the type `F`, at an offset of another one, for as long as that one exists.
template <class F>
constexpr child_record child_at(std::uint32_t offset, const char* label = nullptr) noexcept {
    return {&shape_of<F>, label, offset, child_record::always, 0, child_record::itself, 0, 0};
}

/// The same, but it exists only while the byte at `alive` in the other one has the value `value`.
constexpr child_record child_if(child_record child, std::uint32_t alive, std::uint32_t value) noexcept {
    child.alive = alive;
    child.alive_is = value;
    return child;
}

/// A future whose address is at an offset of another one, or null.
template <class F>
constexpr child_record child_behind(std::uint32_t offset, const char* label = nullptr) noexcept {
    return {&shape_of<F>, label, offset, child_record::always, 0, child_record::pointer, 0, 0};
}

/// A future in a std::optional. All standard libraries have the value at the begin, and the flag behind it.
template <class F>
constexpr child_record child_in_optional(std::uint32_t offset, const char* label = nullptr) noexcept {
    return child_if(child_at<F>(offset, label), offset + sizeof(F), 1);
}

/// A child that is number `I` in a std::variant of `T...`. All standard libraries have the value at the begin, and the
/// index behind the largest one. (The lowest byte of the index is the first one on the processors of readers.)
template <std::size_t I, class... T>
constexpr child_record in_variant(child_record child) noexcept {
    std::size_t most = 0, unit = 1;
    ((most = greater(most, sizeof(T)), unit = greater(unit, alignof(T))), ...);
    return child_if(child, static_cast<std::uint32_t>(child.offset + (most + unit - 1) / unit * unit), I);
}

/// The future `F`, which is number `I` in a std::variant of `T...`.
template <class F, std::size_t I, class... T>
constexpr child_record child_in_variant(std::uint32_t offset, const char* label = nullptr) noexcept {
    return in_variant<I, T...>(child_at<F>(offset, label));
}

/// The futures of the type `F` in a std::vector, or in a std::optional of one. All standard libraries begin a vector
/// with the addresses of its elements' begin and end.
template <class F>
constexpr child_record children_in_vector(std::uint32_t offset) noexcept {
    return {&shape_of<F>, nullptr, offset, child_record::always, 0, child_record::array, sizeof(F), 0};
}

/// A child of a part at `offset`, as a child of the whole.
constexpr child_record within(std::uint32_t offset, child_record child) noexcept {
    child.offset += offset;
    const bool is_here = child.is_at == child_record::itself || child.is_at == child_record::pointer;
    if (is_here && child.alive != child_record::always) child.alive += offset;
    return child;
}

// ---- Descriptions by members ----

// A class describes itself by pointers to its members:
//
//     static constexpr auto wait_shape() { return inspect::waits_as(&pinned_future::inner_); }
//
// The class of the member is the class itself or its first base; see also member_of().

/// Storage of an object that is never constructed, for the addresses of its members.
template <class T>
union no_object {
    char bytes[sizeof(T)];
    T object;

    constexpr no_object() noexcept : bytes() {}
    constexpr ~no_object() {}
};

/// Returns the offset of a member in objects of its class, or of the class `Whole`, which derives from it. Not
/// offsetof(): compilers warn of it for most classes, and with GCC 12 it is wrong for members of a second base class.
template <class Whole = void, class M, class Class>
constexpr std::uint32_t offset_of(M Class::* member) noexcept {
    const no_object<std::conditional_t<std::is_void_v<Whole>, Class, Whole>> none;
    const volatile void* const at = __builtin_addressof(none.object.*member);
    std::uint32_t offset = 0;
    while (static_cast<const volatile void*>(none.bytes + offset) != at) ++offset;
    return offset;
}

/// A member of a base class as one of `Whole`: if the base is abstract, or not the first one.
template <class Whole, class M, class Base>
constexpr M Whole::* member_of(M Base::* member) noexcept {
    return member;
}

/// The type to which a pointer or smart pointer leads.
template <class M>
struct pointee {};
template <class T>
struct pointee<T*> : std::remove_const<T> {};
template <class M>
    requires requires { typename M::element_type; }
struct pointee<M> : std::remove_const<typename M::element_type> {};

/// The first child of the future in a member, as a child of the whole.
template <class M, class Class>
constexpr child_record child_through(M Class::* member, const char* label = nullptr) noexcept {
    child_record found = within(offset_of(member), described<M>.children[0]);
    if (label != nullptr) found.label = label;
    return found;
}

/// The future in a member: the member itself, or what a std::optional or a pointer has. Of a part of an adaptor, which
/// has a constant `is_part`, its first child.
template <class M, class Class>
constexpr child_record child(M Class::* member, const char* label = nullptr) noexcept {
    using value = std::remove_const_t<M>;
    const std::uint32_t offset = offset_of(member);
    if constexpr (requires { typename pointee<value>::type; }) {
        return child_behind<typename pointee<value>::type>(offset, label);
    } else if constexpr (is_optional<value>) {
        return child_in_optional<typename value::value_type>(offset, label);
    } else if constexpr (requires { value::is_part; }) {
        return child_through(member, label);
    } else {
        return child_at<value>(offset, label);
    }
}
constexpr child_record child(const child_record& described) noexcept { return described; }

/// A child that exists only while a member, one byte or the flag of a std::optional, has the value `value`.
template <class M, class Class>
constexpr child_record child_while(M Class::* member, auto value, auto described) noexcept {
    std::uint32_t flag = offset_of(member);
    if constexpr (is_optional<M>) {
        flag += sizeof(typename M::value_type);
    } else {
        static_assert(sizeof(M) == 1 && std::same_as<M, decltype(value)>);
    }
    return child_if(child(described), flag, static_cast<std::uint32_t>(value));
}

/// The future `F`, which is number `I` in a member that is a std::variant.
template <class F, std::size_t I, template <class...> class Variant, class... T, class Class>
constexpr child_record alternative(Variant<T...> Class::* member) noexcept {
    return child_in_variant<F, I, T...>(offset_of(member));
}

/// The futures in a member that is a std::vector, or a std::optional of one.
template <class M, class Class>
constexpr child_record children(M Class::* member) noexcept {
    if constexpr (is_optional<M>) {
        return children_in_vector<typename M::value_type::value_type>(offset_of(member));
    } else {
        return children_in_vector<typename M::value_type>(offset_of(member));
    }
}

// In these functions, a child is a pointer to a member, or a record.

/// What an adaptor describes: the future in it. Of several ones, the first one that exists.
template <class... Child>
constexpr wait_shape<sizeof...(Child)> waits_as(Child... children) noexcept {
    return {wait_kind::inner, 0, {child(children)...}};
}

/// What a class with virtual functions describes: its objects have the address of their shape at `shape_at`.
constexpr wait_shape<1> described_at(std::uint32_t shape_at) noexcept {
    return waits_as(child_record{nullptr, nullptr, 0, child_record::always, 0, child_record::itself, shape_at, 0});
}

/// What an object describes that has no kind: its name, and the futures in it as branches.
template <class... Child>
constexpr wait_shape<sizeof...(Child)> named_wait(const char* name, Child... children) noexcept {
    return {wait_kind::object, 0, {child(children)...}, true, name};
}

/// What a future describes that polls several ones: the first of them decides, or all of them.
template <class... Child>
constexpr wait_shape<sizeof...(Child)> first_of(Child... children) noexcept {
    return {wait_kind::any_of, 0, {child(children)...}};
}
template <class... Child>
constexpr wait_shape<sizeof...(Child)> all_of(Child... children) noexcept {
    return {wait_kind::all_of, 0, {child(children)...}};
}

/// As a child, the object itself with the description that a function object returns: in one of its phases, for
/// example.
template <auto Describe>
constexpr child_record part(const char* label = nullptr) noexcept {
    return {&shape_by<Describe>, label, 0, child_record::always, 0, child_record::itself, 0, 0};
}

/// Waits for the word in a member, or in the part of it that its class names by a function awaited_word().
template <class M, class Class>
constexpr wait_shape<> awaits(wait_kind kind, M Class::* member, const char* name = nullptr) noexcept {
    std::uint32_t offset = offset_of(member);
    if constexpr (requires { M::awaited_word(); }) offset += M::awaited_word();
    return {kind, offset, {}, false, name};
}
/// Waits for an object that has no kind: its name is shown.
template <class M, class Class>
constexpr wait_shape<> awaits(const char* name, M Class::* member) noexcept {
    return awaits(wait_kind::object, member, name);
}
/// Waits for the object that a member is.
template <class M, class Class>
constexpr wait_shape<> awaits_member(wait_kind kind, M Class::* member, const char* name = nullptr) noexcept {
    return {kind, offset_of(member), {}, true, name};
}

// ---- Readers and writers ----

/// The direction of an I/O operation.
enum class direction : unsigned char { read, write };

/// The argument of the function wait_shape(way) of a class that reads or writes.
template <direction Way>
struct io_way {};

/// What a future waits for that uses a reader or writer in the direction `Way`.
template <class S, direction Way>
inline constexpr auto described_io = [] {
    if constexpr (requires { S::wait_shape(io_way<Way>()); }) {
        return S::wait_shape(io_way<Way>());
    } else if constexpr (has_wait_shape<S>) {  // a sink without a direction
        return S::wait_shape();
    } else {
        return wait_shape<>{wait_kind::other};
    }
}();
template <class S, direction Way>
inline constexpr shape_record io_shape_of = record_of(type_text<S>.data(), described_io<S, Way>);

/// A reader or writer in another object, or one whose address is in it.
template <class S, direction Way>
constexpr child_record io_at(std::uint32_t offset) noexcept {
    return {&io_shape_of<S, Way>, nullptr, offset, child_record::always, 0, child_record::itself, 0, 0};
}
template <class S, direction Way>
constexpr child_record io_behind(std::uint32_t offset) noexcept {
    return {&io_shape_of<S, Way>, nullptr, offset, child_record::always, 0, child_record::pointer, 0, 0};
}

/// A reader or writer in a member: the member itself, or what a std::optional or a pointer has.
template <direction Way, class M, class Class>
constexpr child_record io_child(M Class::* member) noexcept {
    const std::uint32_t offset = offset_of(member);
    if constexpr (requires { typename pointee<M>::type; }) {
        return io_behind<typename pointee<M>::type, Way>(offset);
    } else if constexpr (is_optional<M>) {
        return child_if(io_at<typename M::value_type, Way>(offset), offset + sizeof(typename M::value_type), 1);
    } else {
        return io_at<M, Way>(offset);
    }
}

/// As child(), for a member that is a reader or writer, or a pointer to one.
template <class M, class Class>
constexpr auto reader(M Class::* member) noexcept {
    return io_child<direction::read>(member);
}
template <class M, class Class>
constexpr auto writer(M Class::* member) noexcept {
    return io_child<direction::write>(member);
}

/// As waits_as().
template <class M, class Class>
constexpr auto reads_from(M Class::* member) noexcept {
    return waits_as(reader(member));
}
template <class M, class Class>
constexpr auto writes_to(M Class::* member) noexcept {
    return waits_as(writer(member));
}

/// What a reader and writer describes whose member does the same, or two members, in the direction `way`.
template <direction Way, class M, class Class>
constexpr auto uses(io_way<Way>, M Class::* member) noexcept {
    return waits_as(io_child<Way>(member));
}
template <direction Way, class R, class W, class Class>
constexpr auto uses(io_way<Way>, R Class::* from, W Class::* to) noexcept {
    if constexpr (Way == direction::read)
        return reads_from(from);
    else
        return writes_to(to);
}

}  // namespace eddy::detail

namespace eddy::inspect {

// For the futures of programs, too.
using wait = wait_kind;
using detail::all_of, detail::alternative, detail::child, detail::child_at, detail::child_behind, detail::child_if,
    detail::child_in_optional, detail::child_through, detail::child_while, detail::children, detail::first_of,
    detail::named_wait, detail::reader, detail::reads_from, detail::uses, detail::writer, detail::writes_to,
    detail::part, detail::wait_shape, detail::waits_as, detail::awaits, detail::awaits_member;

}  // namespace eddy::inspect
