using System.Collections.Concurrent;
using System.Globalization;
using System.Text;

namespace RlHarness.Formats.Tokenizers;

/// <summary>
/// Byte-pair encoding: a piece begins as its bytes (byte-level) or characters, and the pair that stands first in the list of merges is joined, the leftmost
/// first, until none is left (Sennrich et al. 2016). Safe for use by many threads.
/// </summary>
internal sealed class BpeModel
{
    private const int LongestRemembered = 48;
    private const int MostRemembered = 1 << 17;

    private readonly Dictionary<string, int> _ids;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _idsBySpan;
    private readonly Dictionary<long, (int Rank, int Id)> _merges;
    private readonly Dictionary<int, string> _tokens;
    private readonly BpeOptions _options;
    private readonly int[] _byteIds = new int[256];
    private readonly int[] _units;
    private readonly int _unknown;
    private readonly ConcurrentDictionary<string, int[]> _remembered = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, int[]>.AlternateLookup<ReadOnlySpan<char>> _rememberedBySpan;
    private int _rememberedCount;

    public BpeModel(Dictionary<string, int> ids, Dictionary<long, (int Rank, int Id)> merges, BpeOptions options)
    {
        (_ids, _merges, _options) = (ids, merges, options);
        _idsBySpan = ids.GetAlternateLookup<ReadOnlySpan<char>>();
        _rememberedBySpan = _remembered.GetAlternateLookup<ReadOnlySpan<char>>();
        _tokens = new Dictionary<int, string>(ids.Count);
        foreach (var (token, id) in ids)
            _tokens[id] = token;
        _units = new int[ids.Count == 0 ? 0 : ids.Values.Max() + 1];
        foreach (var (token, id) in ids)
            _units[id] = Encoding.UTF8.GetByteCount(token);
        _unknown = options.Unknown is { } unknown && ids.TryGetValue(unknown, out var unknownId) ? unknownId : -1;
        for (var value = 0; value < 256; value++)
        {
            var name =
                options.ByteLevel ? ByteAlphabet.Spell((byte)value).ToString()
                : options.ByteFallback ? ByteName((byte)value)
                : null;
            _byteIds[value] = name is not null && ids.TryGetValue(name, out var id) ? id : -1;
            if (options.ByteFallback && !options.ByteLevel && _byteIds[value] >= 0)
                _units[_byteIds[value]] = 1;
        }
    }

    public IReadOnlyDictionary<string, int> Ids => _ids;

    public IReadOnlyDictionary<int, string> Tokens => _tokens;

    public BpeOptions Options => _options;

    public static string ByteName(byte value) => string.Create(CultureInfo.InvariantCulture, $"<0x{value:X2}>");

    public static long Key(int left, int right) => ((long)left << 32) | (uint)right;

    public void Encode(ReadOnlySpan<char> piece, List<int> output)
    {
        if (piece.Length <= LongestRemembered)
        {
            if (!_rememberedBySpan.TryGetValue(piece, out var ids))
            {
                ids = [.. Symbols(piece, null)];
                if (Volatile.Read(ref _rememberedCount) < MostRemembered && _rememberedBySpan.TryAdd(piece, ids))
                    Interlocked.Increment(ref _rememberedCount);
            }

            output.AddRange(ids);
        }
        else
        {
            output.AddRange(Symbols(piece, null));
        }
    }

    /// <summary>
    /// Also how many units each token takes: bytes of the piece's UTF-8 form, or of its spelling in the byte alphabet. What has no token takes none, as in
    /// <c>tokenizers</c>.
    /// </summary>
    public void Encode(ReadOnlySpan<char> piece, List<int> output, List<int> units)
    {
        var from = output.Count;
        Encode(piece, output);
        for (var i = from; i < output.Count; i++)
        {
            if (output[i] == _unknown)
            {
                // only the way through its characters tells how many an unknown token stands for
                units.RemoveRange(units.Count - (i - from), i - from);
                output.RemoveRange(from, output.Count - from);
                output.AddRange(Symbols(piece, units));
                return;
            }

            units.Add(_units[output[i]]);
        }
    }

    private List<int> Symbols(ReadOnlySpan<char> piece, List<int>? units)
    {
        var symbols = new List<int>(piece.Length);
        var lengths = units is null ? null : new List<int>(piece.Length);
        if (_options.IgnoreMerges && Whole(piece, out var whole, out var wholeUnits))
        {
            symbols.Add(whole);
            units?.Add(wholeUnits);
            return symbols;
        }

        if (_options.ByteLevel)
            Bytes(piece, symbols, lengths);
        else
            Characters(piece, symbols, lengths);
        Merge(symbols, lengths);
        if (units is not null)
            units.AddRange(lengths!);
        return symbols;
    }

    private bool Whole(ReadOnlySpan<char> piece, out int id, out int units)
    {
        if (!_options.ByteLevel)
        {
            units = Encoding.UTF8.GetByteCount(piece);
            return _idsBySpan.TryGetValue(piece, out id);
        }

        var count = Encoding.UTF8.GetByteCount(piece);
        Span<byte> bytes = count <= 512 ? stackalloc byte[count] : new byte[count];
        Span<char> spelled = count <= 512 ? stackalloc char[count] : new char[count];
        Encoding.UTF8.GetBytes(piece, bytes);
        units = 0;
        for (var i = 0; i < count; i++)
        {
            spelled[i] = ByteAlphabet.Spell(bytes[i]);
            units += spelled[i] < 0x80 ? 1 : 2;
        }

        return _idsBySpan.TryGetValue(spelled, out id);
    }

    private void Bytes(ReadOnlySpan<char> piece, List<int> symbols, List<int>? lengths)
    {
        var count = Encoding.UTF8.GetByteCount(piece);
        Span<byte> bytes = count <= 512 ? stackalloc byte[count] : new byte[count];
        Encoding.UTF8.GetBytes(piece, bytes);
        var pending = 0;
        foreach (var value in bytes)
            Add(_byteIds[value], ByteAlphabet.Spell(value) < 0x80 ? 1 : 2, symbols, lengths, ref pending);
        Flush(symbols, lengths, ref pending);
    }

    private void Characters(ReadOnlySpan<char> piece, List<int> symbols, List<int>? lengths)
    {
        var pending = 0;
        Span<byte> bytes = stackalloc byte[4];
        for (int i = 0, width; i < piece.Length; i += width)
        {
            CharacterClasses.At(piece, i, out width);
            var character = piece.Slice(i, width);
            var count = Encoding.UTF8.GetBytes(character, bytes);
            if (_idsBySpan.TryGetValue(character, out var id))
            {
                Add(id, count, symbols, lengths, ref pending);
                continue;
            }

            var known = _options.ByteFallback;
            for (var k = 0; k < count && known; k++)
                known = _byteIds[bytes[k]] >= 0;
            if (!known)
            {
                Add(-1, count, symbols, lengths, ref pending);
                continue;
            }

            for (var k = 0; k < count; k++)
            {
                symbols.Add(_byteIds[bytes[k]]);
                lengths?.Add(1);
            }
        }

        Flush(symbols, lengths, ref pending);
    }

    // What is unknown waits, so that neighbours can become one token.
    private void Add(int id, int length, List<int> symbols, List<int>? lengths, ref int pending)
    {
        if (id < 0)
        {
            if (_unknown < 0)
                return;
            if (!_options.FuseUnknown)
                Flush(symbols, lengths, ref pending);
            pending += length;
            return;
        }

        Flush(symbols, lengths, ref pending);
        symbols.Add(id);
        lengths?.Add(length);
    }

    private void Flush(List<int> symbols, List<int>? lengths, ref int pending)
    {
        if (pending == 0)
            return;
        symbols.Add(_unknown);
        lengths?.Add(pending);
        pending = 0;
    }

    private void Merge(List<int> symbols, List<int>? lengths)
    {
        if (symbols.Count < 2 || _merges.Count == 0)
            return;
        if (symbols.Count <= 32)
            MergeShort(symbols, lengths);
        else
            MergeLong(symbols, lengths);
    }

    private void MergeShort(List<int> symbols, List<int>? lengths)
    {
        var count = symbols.Count;
        Span<int> ids = stackalloc int[32];
        Span<int> ranks = stackalloc int[32];
        Span<int> joined = stackalloc int[32];
        for (var i = 0; i < count; i++)
            ids[i] = symbols[i];
        for (var i = 0; i + 1 < count; i++)
            (ranks[i], joined[i]) = Rank(ids[i], ids[i + 1]);
        while (count > 1)
        {
            var best = -1;
            var rank = int.MaxValue;
            for (var i = 0; i + 1 < count; i++)
            {
                if (ranks[i] >= rank)
                    continue;
                rank = ranks[i];
                best = i;
            }

            if (best < 0)
                break;
            ids[best] = joined[best];
            ids[(best + 2)..count].CopyTo(ids[(best + 1)..]);
            ranks[(best + 2)..count].CopyTo(ranks[(best + 1)..]);
            joined[(best + 2)..count].CopyTo(joined[(best + 1)..]);
            if (lengths is not null)
            {
                lengths[best] += lengths[best + 1];
                lengths.RemoveAt(best + 1);
            }

            count--;
            if (best > 0)
                (ranks[best - 1], joined[best - 1]) = Rank(ids[best - 1], ids[best]);
            if (best + 1 < count)
                (ranks[best], joined[best]) = Rank(ids[best], ids[best + 1]);
        }

        symbols.Clear();
        for (var i = 0; i < count; i++)
            symbols.Add(ids[i]);
    }

    private void MergeLong(List<int> symbols, List<int>? lengths)
    {
        var count = symbols.Count;
        var next = new int[count];
        var previous = new int[count];
        var queue = new PriorityQueue<(int At, int Id), long>(count);
        for (var i = 0; i < count; i++)
        {
            next[i] = i + 1 < count ? i + 1 : -1;
            previous[i] = i - 1;
            if (i + 1 < count)
                Offer(queue, symbols, i, i + 1);
        }

        while (queue.TryDequeue(out var entry, out _))
        {
            var at = entry.At;
            var right = next[at];
            if (symbols[at] < 0 || right < 0 || Rank(symbols[at], symbols[right]).Id != entry.Id)
                continue;
            symbols[at] = entry.Id;
            symbols[right] = -1;
            if (lengths is not null)
                lengths[at] += lengths[right];
            next[at] = next[right];
            if (next[at] >= 0)
            {
                previous[next[at]] = at;
                Offer(queue, symbols, at, next[at]);
            }

            if (previous[at] >= 0)
                Offer(queue, symbols, previous[at], at);
        }

        var kept = 0;
        for (var i = 0; i < count; i++)
        {
            if (symbols[i] < 0)
                continue;
            symbols[kept] = symbols[i];
            if (lengths is not null)
                lengths[kept] = lengths[i];
            kept++;
        }

        symbols.RemoveRange(kept, count - kept);
        lengths?.RemoveRange(kept, count - kept);
    }

    private void Offer(PriorityQueue<(int At, int Id), long> queue, List<int> symbols, int left, int right)
    {
        var (rank, id) = Rank(symbols[left], symbols[right]);
        if (id >= 0)
            queue.Enqueue((left, id), ((long)rank << 32) | (uint)left);
    }

    private (int Rank, int Id) Rank(int left, int right) => _merges.TryGetValue(Key(left, right), out var merge) ? merge : (int.MaxValue, -1);
}

/// <summary>What tokenizer.json says beside vocabulary and merges.</summary>
internal sealed record BpeOptions(bool ByteLevel, bool ByteFallback, bool FuseUnknown, bool IgnoreMerges, string? Unknown);
