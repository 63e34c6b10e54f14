// SPDX-License-Identifier: MIT
#include "sys/core_file.hpp"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <deque>
#include <iterator>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace eddy::inspect {

namespace {

// The limits of what a damaged file makes the reader keep. The kernel writes the note of files among the first ones.
constexpr std::size_t most_note_bytes = 64 << 20;
constexpr std::size_t most_file_ranges = 262'144;
constexpr std::size_t most_parts = 1 << 20;

/// A regular file. It is read, not mapped: another process may shorten it meanwhile.
class regular_file {
public:
    /// The files that have a descriptor. Those that were opened first are closed, and opened again when they are
    /// needed: a core file may refer to more files than a process may open.
    using open_files = std::deque<regular_file*>;

    /// Without `open_ones`, the file stays open.
    explicit regular_file(std::string path, open_files* open_ones = nullptr)
        : path_(std::move(path)), open_ones_(open_ones) {
        // A pipe or a device is not opened at all.
        if (stat(path_.c_str(), &first_) != 0) {
            error_ = errno;
        } else if (!S_ISREG(first_.st_mode)) {
            is_other_ = true;
            error_ = EINVAL;
        } else if (!open()) {
            error_ = errno;
        } else {
            std::array<char, SELFMAG> magic;
            is_elf_ =
                read(0, std::as_writable_bytes(std::span(magic))) && std::memcmp(magic.data(), ELFMAG, SELFMAG) == 0;
        }
    }
    regular_file(const regular_file&) = delete;
    regular_file& operator=(const regular_file&) = delete;
    ~regular_file() { close(); }

    [[nodiscard]] std::uint64_t size() const noexcept {
        return error_ == 0 ? static_cast<std::uint64_t>(first_.st_size) : 0;
    }
    [[nodiscard]] std::string why_not() const { return is_other_ ? "is no regular file" : std::strerror(error_); }
    [[nodiscard]] bool is_readable() const noexcept { return error_ == 0; }
    [[nodiscard]] bool is_elf() const noexcept { return is_elf_; }

    /// Copies bytes. Returns false if some of them are behind the end of the file, or if it is another one now.
    [[nodiscard]] bool read(std::uint64_t offset, std::span<std::byte> into) {
        if (offset > size() || size() - offset < into.size() || !open()) return false;
        while (!into.empty()) {
            const ssize_t count = pread(fd_, into.data(), into.size(), static_cast<off_t>(offset));
            if (count < 0 && errno == EINTR) continue;
            if (count <= 0) return false;
            into = into.subspan(static_cast<std::size_t>(count));
            offset += static_cast<std::uint64_t>(count);
        }
        return true;
    }
    /// Copies an object. Returns nothing behind the end of the file.
    template <class T>
    [[nodiscard]] std::optional<T> get(std::uint64_t offset) {
        T found;
        if (!read(offset, std::as_writable_bytes(std::span(&found, 1)))) return std::nullopt;
        return found;
    }

private:
    static constexpr std::size_t most_open = 64;

    bool open() {
        if (fd_ >= 0) return true;
        if (error_ != 0) return false;
        // O_NONBLOCK, since the path may name a pipe by now.
        fd_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        struct stat now{};
        if (fd_ < 0 || fstat(fd_, &now) != 0) return false;
        if (now.st_dev != first_.st_dev || now.st_ino != first_.st_ino || now.st_size != first_.st_size) {
            close();
            errno = ESTALE;
            return false;
        }
        if (open_ones_ == nullptr) return true;
        open_ones_->push_back(this);
        if (open_ones_->size() <= most_open) return true;
        open_ones_->front()->close();
        open_ones_->pop_front();
        return true;
    }
    void close() noexcept {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }

    const std::string path_;
    open_files* const open_ones_;
    struct stat first_{};
    int fd_ = -1;
    int error_ = 0;
    bool is_other_ = false;
    bool is_elf_ = false;
};

/// A range of memory, and where its bytes are.
struct segment {
    address begin;
    regular_file* file;
    std::uint64_t offset;
    std::uint64_t size;
};

/// A mapped range of a file, of the note NT_FILE.
struct file_range {
    address begin;
    address end;
    std::uint64_t offset;
    std::string file;
};

std::vector<file_range> ranges_of_note(std::span<const std::byte> note) {
    // count, page size, count times {begin, end, offset in pages}, and the paths
    std::vector<std::uint64_t> words(note.size() / 8);
    std::memcpy(words.data(), note.data(), words.size() * 8);
    if (words.size() < 2 || words[0] > std::min((words.size() - 2) / 3, most_file_ranges)) return {};
    const auto* path = reinterpret_cast<const char*>(note.data()) + (2 + 3 * words[0]) * 8;
    const auto* const end = reinterpret_cast<const char*>(note.data()) + note.size();
    std::vector<file_range> found;
    for (std::size_t i = 0; i < words[0]; ++i) {
        const auto* const stop = std::find(path, end, '\0');
        if (stop == end) break;
        const std::uint64_t* const at = &words[2 + 3 * i];
        if (at[0] < at[1]) found.push_back({at[0], at[1], at[2] * words[1], std::string(path, stop)});
        path = stop + 1;
    }
    return found;
}

/// What a segment of notes says of the mapped files.
struct file_notes {
    std::vector<file_range> ranges;
    address headers = 0;  // of the program, in memory; 0 if they are not known
};

/// Returns the value of AT_PHDR in the note NT_AUXV, or 0. See getauxval(3).
address headers_of_note(std::span<const std::byte> note) {
    std::array<std::uint64_t, 2> entry;
    for (; note.size() >= sizeof entry; note = note.subspan(sizeof entry)) {
        std::memcpy(&entry, note.data(), sizeof entry);
        if (entry[0] == AT_PHDR) return entry[1];
    }
    return 0;
}

file_notes read_notes(std::span<const std::byte> notes) {
    file_notes found;
    for (std::size_t at = 0; at + sizeof(Elf64_Nhdr) <= notes.size();) {
        Elf64_Nhdr note;
        std::memcpy(&note, notes.data() + at, sizeof note);
        const std::size_t data = at + sizeof note + (std::size_t{note.n_namesz} + 3) / 4 * 4;
        if (data + note.n_descsz > notes.size()) break;
        const auto bytes = notes.subspan(data, note.n_descsz);
        if (note.n_type == NT_FILE) found.ranges = ranges_of_note(bytes);
        if (note.n_type == NT_AUXV) found.headers = headers_of_note(bytes);
        at = data + (std::size_t{note.n_descsz} + 3) / 4 * 4;
    }
    return found;
}

/// Returns the program headers, or nothing if the file does not have all of them.
std::optional<std::vector<Elf64_Phdr>> parts_of(regular_file& core, const Elf64_Ehdr& head) {
    std::size_t count = head.e_phnum;
    if (count == PN_XNUM) {  // there are more than the field can say: see elf(5)
        const auto section = core.get<Elf64_Shdr>(head.e_shoff);
        if (!section) return std::nullopt;
        count = section->sh_info;
    }
    if (head.e_phentsize != sizeof(Elf64_Phdr) || count > most_parts) return std::nullopt;
    if (head.e_phoff > core.size() || (core.size() - head.e_phoff) / sizeof(Elf64_Phdr) < count) return std::nullopt;
    std::vector<Elf64_Phdr> found(count);
    if (!core.read(head.e_phoff, std::as_writable_bytes(std::span(found)))) return std::nullopt;
    return found;
}

}  // namespace

class core_file::contents final : public target_memory {
public:
    explicit contents(const std::string& path) : core(path) {}

    void read(std::span<piece> pieces) override {
        for (piece& one : pieces) one.is_read = copy(dumped_, one) || copy(of_files_, one);
    }
    [[nodiscard]] bool changes() const noexcept override { return false; }

    // ---- In this order, before the first read ----

    /// Adds what a program header describes. Returns how many bytes of it the file does not have.
    std::uint64_t add(const Elf64_Phdr& part) {
        const std::uint64_t room = core.size() - std::min<std::uint64_t>(part.p_offset, core.size());
        const std::uint64_t size = std::min<std::uint64_t>(part.p_filesz, room);
        if (part.p_type == PT_LOAD && size != 0) dumped_.push_back({part.p_vaddr, &core, part.p_offset, size});
        if (part.p_type == PT_NOTE && notes_.ranges.empty()) {
            std::vector<std::byte> notes(std::min<std::uint64_t>(size, most_note_bytes));
            if (core.read(part.p_offset, notes)) notes_ = read_notes(notes);
        }
        return part.p_filesz - size;
    }
    /// Looks at the files that were mapped. `program` replaces the path of the program, if it is not empty.
    void add_files(const std::string& program, std::vector<std::string>& problems) {
        const std::string its = program_file();
        for (file_range& range : notes_.ranges) {
            if (!program.empty() && range.file == its) range.file = program;
            const auto [at, is_new] = files_.try_emplace(range.file, range.file, &open_ones_);
            regular_file& opened = at->second;
            if (is_new && !opened.is_readable())
                problems.push_back(range.file + ": " + opened.why_not() + "; give the program's file by --program");
            if (range.offset < opened.size())
                of_files_.push_back({range.begin, &opened, range.offset,
                                     std::min(range.end - range.begin, opened.size() - range.offset)});
        }
        std::ranges::sort(dumped_, {}, &segment::begin);
        std::ranges::sort(of_files_, {}, &segment::begin);
    }
    /// Compares the first page of each program and library, which is usually in the core file, too. It has the
    /// identification of the build.
    void verify_files(std::vector<std::string>& problems) {
        for (const file_range& range : notes_.ranges) {
            regular_file& opened = files_.at(range.file);
            std::array<std::byte, 1024> dumped;
            std::array<std::byte, 1024> now;
            if (range.offset != 0 || !opened.is_elf() || !opened.read(0, now)) continue;
            piece one{range.begin, std::span(dumped)};
            if (!copy(dumped_, one))
                problems.push_back(range.file + " is not verified: the core file does not have its first page");
            else if (now != dumped)
                problems.push_back(range.file +
                                   " has changed since the core file was written: what was read from it may be wrong");
        }
    }
    /// gcore(1) omits what is only in files. So the ranges of files come from the note, and the others from the
    /// segments. Each ends where its bytes end, whatever the file says.
    [[nodiscard]] std::vector<mapping> mappings() {
        std::ranges::sort(notes_.ranges, {}, &file_range::begin);
        std::vector<mapping> found;
        for (const file_range& range : notes_.ranges) {
            const std::uint64_t bytes = std::max(size_at(dumped_, range.begin), size_at(of_files_, range.begin));
            const std::uint64_t size = std::min(range.end - range.begin, bytes);
            found.push_back({range.begin, range.begin + size, false, files_.at(range.file).is_elf(), range.file});
        }
        for (const segment& part : dumped_) {
            const auto behind = std::ranges::upper_bound(notes_.ranges, part.begin, {}, &file_range::begin);
            const bool is_of_file = behind != notes_.ranges.begin() && part.begin < std::prev(behind)->end;
            if (!is_of_file) found.push_back({part.begin, part.begin + part.size, false, false, {}});
        }
        std::ranges::sort(found, {}, &mapping::begin);
        return found;
    }

    regular_file core;

private:
    /// Returns the file in whose range the program headers are. Without them, the first one: usually the program's.
    [[nodiscard]] std::string program_file() const {
        const auto has_headers = [&](const file_range& one) {
            return one.begin <= notes_.headers && notes_.headers < one.end;
        };
        const auto found = std::ranges::find_if(notes_.ranges, has_headers);
        if (found != notes_.ranges.end()) return found->file;
        return notes_.ranges.empty() ? std::string() : notes_.ranges.front().file;
    }
    static const segment* find(const std::vector<segment>& segments, address from) {
        const auto behind = std::ranges::upper_bound(segments, from, {}, &segment::begin);
        if (behind == segments.begin()) return nullptr;
        const segment& found = *std::prev(behind);
        return from - found.begin < found.size ? &found : nullptr;
    }
    static std::uint64_t size_at(const std::vector<segment>& segments, address from) {
        const segment* const found = find(segments, from);
        return found == nullptr ? 0 : found->size - (from - found->begin);
    }
    static bool copy(const std::vector<segment>& segments, piece& into) {
        const segment* const found = find(segments, into.from);
        if (found == nullptr || found->size - (into.from - found->begin) < into.into.size()) return false;
        return found->file->read(found->offset + (into.from - found->begin), into.into);
    }

    file_notes notes_;
    regular_file::open_files open_ones_;
    std::map<std::string, regular_file> files_;
    std::vector<segment> dumped_;
    std::vector<segment> of_files_;
};

core_file::core_file() = default;
core_file::core_file(core_file&&) noexcept = default;
core_file::~core_file() = default;
target_memory& core_file::memory() noexcept { return *contents_; }

std::expected<core_file, std::string> core_file::open(const std::string& file, const std::string& program) {
    core_file made;
    made.contents_ = std::make_unique<contents>(file);
    contents& in = *made.contents_;
    regular_file& core = in.core;
    if (!core.is_readable()) return std::unexpected(file + ": " + core.why_not());
    const auto head = core.get<Elf64_Ehdr>(0);
    if (!head || std::memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 || head->e_type != ET_CORE)
        return std::unexpected(file + " is neither the number of a process nor a core file");
    if (head->e_ident[EI_CLASS] != ELFCLASS64 || head->e_ident[EI_DATA] != ELFDATA2LSB)
        return std::unexpected(file +
                               " is a core file of another machine: this reader supports 64 bits, little-endian");
    const auto parts = parts_of(core, *head);
    if (!parts) return std::unexpected(file + " is damaged or was cut off: it does not have its program headers");

    const auto is_memory = [](const Elf64_Phdr& part) { return part.p_type == PT_LOAD; };
    if (std::ranges::none_of(*parts, is_memory)) return std::unexpected(file + " has no memory in it: it was cut off");
    std::uint64_t missing = 0;
    for (const Elf64_Phdr& part : *parts) missing = std::max(missing, in.add(part));
    if (missing != 0) made.problems_.push_back(file + " was cut off: a part of the program's memory is missing");
    in.add_files(program, made.problems_);
    in.verify_files(made.problems_);
    made.mappings_ = in.mappings();
    return made;
}

}  // namespace eddy::inspect
