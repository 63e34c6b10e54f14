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

// The compilers that eddy supports know the offsets of members of all classes without virtual bases, and warn
// nevertheless. GCC forgets the pragmas of a precompiled header before it instantiates the header's templates, but does
// not warn in an operand of sizeof that depends on a template parameter.
#define EDDY_BEGIN_OFFSETS _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Winvalid-offsetof\"")
#define EDDY_END_OFFSETS _Pragma("GCC diagnostic pop")
#define EDDY_OFFSET(Class, member) static_cast<std::uint32_t>(sizeof(char[__builtin_offsetof(Class, member) + 1]) - 1)

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

/// What an adaptor describes: the future in it. Of several ones, the first one that exists.
template <std::same_as<child_record>... Child>
constexpr wait_shape<sizeof...(Child)> adaptor_of(Child... children) noexcept {
    return {wait_kind::inner, 0, {children...}};
}

/// What a class with virtual functions describes: its objects have the address of their shape at `shape_at`.
constexpr wait_shape<1> described_at(std::uint32_t shape_at) noexcept {
    return adaptor_of(child_record{nullptr, nullptr, 0, child_record::always, 0, child_record::itself, shape_at, 0});
}

/// What an object describes that has no kind: its name, and the futures in it as branches.
template <std::same_as<child_record>... Child>
constexpr wait_shape<sizeof...(Child)> named_wait(const char* name, Child... children) noexcept {
    return {wait_kind::object, 0, {children...}, true, name};
}

/// What a future describes that polls several ones: the first of them decides, or all of them.
template <std::same_as<child_record>... Child>
constexpr wait_shape<sizeof...(Child)> first_of(Child... children) noexcept {
    return {wait_kind::any_of, 0, {children...}};
}
template <std::same_as<child_record>... Child>
constexpr wait_shape<sizeof...(Child)> all_of(Child... children) noexcept {
    return {wait_kind::all_of, 0, {children...}};
}

/// The future in a member of the type `M`: the member itself, or what a std::optional or a pointer has.
template <class M>
constexpr child_record child_of(std::uint32_t offset, const char* label = nullptr) noexcept {
    using value = std::remove_const_t<M>;
    if constexpr (std::is_pointer_v<value>) {
        return child_behind<std::remove_const_t<std::remove_pointer_t<value>>>(offset, label);
    } else if constexpr (requires { typename value::element_type; }) {  // a smart pointer
        return child_behind<std::remove_const_t<typename value::element_type>>(offset, label);
    } else if constexpr (is_optional<value>) {
        return child_in_optional<typename value::value_type>(offset, label);
    } else {
        return child_at<value>(offset, label);
    }
}

/// A child of a part at `offset`, as a child of the whole.
constexpr child_record within(std::uint32_t offset, child_record child) noexcept {
    child.offset += offset;
    const bool is_here = child.is_at == child_record::itself || child.is_at == child_record::pointer;
    if (is_here && child.alive != child_record::always) child.alive += offset;
    return child;
}

}  // namespace eddy::detail

// What a class of the library writes into itself, instead of a function wait_shape(). They define a template, since
// GCC ignores the pragmas that are in a macro: see EDDY_OFFSET.

/// `EDDY_WAIT_SHAPE(Class, expression)`: the description is the expression, in which `Its` is the class.
#define EDDY_WAIT_SHAPE(Class, ...)               \
    template <class Its = Class>                  \
    static constexpr auto wait_shape() noexcept { \
        EDDY_BEGIN_OFFSETS                        \
        return __VA_ARGS__;                       \
        EDDY_END_OFFSETS                          \
    }                                             \
    static_assert(true)
/// A future in a member: the member itself, or what a std::optional or a pointer has.
#define EDDY_CHILD(member, ...) \
    ::eddy::detail::child_of<decltype(Its::member)>(EDDY_OFFSET(Its, member) __VA_OPT__(, ) __VA_ARGS__)
/// An adaptor: it waits as the future in a member.
#define EDDY_WAITS_AS(Class, member) EDDY_WAIT_SHAPE(Class, ::eddy::detail::adaptor_of(EDDY_CHILD(member)))
/// The word of the kind is in a member.
#define EDDY_WAITS_FOR(kind, Class, member) \
    EDDY_WAIT_SHAPE(Class, ::eddy::detail::wait_shape<>{::eddy::detail::wait_kind::kind, EDDY_OFFSET(Its, member)})
/// As above, for an object that has no kind: its name is shown.
#define EDDY_WAITS_FOR_OBJECT(name, Class, member)       \
    EDDY_WAIT_SHAPE(Class, ::eddy::detail::wait_shape<>{ \
                               ::eddy::detail::wait_kind::object, EDDY_OFFSET(Its, member), {}, false, name})

namespace eddy::inspect {

// For the futures of programs.
using detail::adaptor_of;
using detail::child_at;
using detail::child_behind;
using detail::child_if;
using detail::child_in_optional;
using detail::wait_shape;

}  // namespace eddy::inspect
