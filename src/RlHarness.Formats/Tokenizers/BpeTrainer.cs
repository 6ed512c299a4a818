using System.Runtime.InteropServices;
using System.Text;

namespace RlHarness.Formats.Tokenizers;

/// <summary>
/// Trains a byte-level BPE tokenizer. The text is split by GPT-2's pattern; the pair that occurs most often within words is joined, again and again.
/// Ties go to the pair with the lower left id, then the lower right id, so that the same texts give the same vocabulary on every machine.
/// </summary>
public static class BpeTrainer
{
    /// <summary>Ids: special tokens first, then the 256 bytes in order, then merges in the order in which they were made.</summary>
    /// <param name="texts">Training text; its order does not matter.</param>
    /// <param name="vocabularySize">Wanted size; smaller where the texts have no pair left.</param>
    /// <param name="specialTokens">Found in text before it is split, and never merged.</param>
    /// <param name="chatTemplate">A Jinja template, or null.</param>
    /// <param name="eosToken">One of the special tokens.</param>
    /// <param name="padToken">One of the special tokens.</param>
    /// <param name="bosToken">One of the special tokens, or null.</param>
    public static Tokenizer Train(
        IEnumerable<string> texts,
        int vocabularySize,
        IReadOnlyList<string> specialTokens,
        string? chatTemplate,
        string eosToken,
        string padToken,
        string? bosToken = null
    )
    {
        if (specialTokens.Distinct(StringComparer.Ordinal).Count() != specialTokens.Count || specialTokens.Any(token => token.Length < 2))
        {
            throw new ArgumentException("special tokens must differ and have two characters or more", nameof(specialTokens));
        }

        foreach (var token in (string?[])[eosToken, padToken, bosToken])
        {
            if (token is not null && !specialTokens.Contains(token))
                throw new ArgumentException($"'{token}' is not among the special tokens", nameof(specialTokens));
        }

        ArgumentOutOfRangeException.ThrowIfLessThan(vocabularySize, specialTokens.Count + 256);
        var added = specialTokens.Select((token, id) => new AddedToken(token, id, false, false, false, false, true)).ToList();
        var vocabulary = new List<string>(specialTokens);
        for (var value = 0; value < 256; value++)
            vocabulary.Add(ByteAlphabet.Spell((byte)value).ToString());
        var merges = new List<(string, string)>();
        var pairs = new PairCounts(Words(texts, added, specialTokens.Count));
        var taken = vocabulary.ToHashSet(StringComparer.Ordinal);
        while (vocabulary.Count < vocabularySize && pairs.Best() is { } pair)
        {
            var (left, right) = (vocabulary[pair.Left], vocabulary[pair.Right]);
            if (!taken.Add(left + right))
            {
                pairs.Skip(pair);
                continue;
            }

            pairs.Join(pair, vocabulary.Count);
            vocabulary.Add(left + right);
            merges.Add((left, right));
        }

        var templates = new Dictionary<string, string>(StringComparer.Ordinal);
        if (chatTemplate is not null)
            templates["default"] = chatTemplate;
        var files = new Dictionary<string, byte[]>(StringComparer.Ordinal)
        {
            ["tokenizer.json"] = TokenizerDocument.Tokenizer(
                added,
                null,
                TokenizerDocument.ByteLevel(regex: true),
                null,
                TokenizerDocument.ByteLevelDecoder,
                vocabulary,
                merges,
                new BpeOptions(true, false, false, false, null)
            ),
            ["tokenizer_config.json"] = TokenizerDocument.Config(added, bosToken, eosToken, padToken, null, templates),
        };
        return new Tokenizer("tokenizer.json", new TokenizerReader("tokenizer.json").Read(files["tokenizer.json"]), TokenizerSettings.Read("", files));
    }

    // Words as byte ids, with how often each occurs, in ordinal order.
    private static List<(int[] Ids, long Count)> Words(IEnumerable<string> texts, List<AddedToken> added, int firstByte)
    {
        var counts = new Dictionary<string, long>(StringComparer.Ordinal);
        var lookup = counts.GetAlternateLookup<ReadOnlySpan<char>>();
        var matcher = new AddedTokenMatcher(added.Select(token => (token.Content, token)));
        var pattern = KnownPattern.For(KnownPattern.Gpt2)!;
        var pieces = new List<Piece>();
        foreach (var text in texts)
        {
            pieces.Clear();
            matcher.Split(new Piece(new AlignedText(text), 0, text.Length, AtStart: true), pieces);
            foreach (var piece in pieces)
            {
                if (piece.Id >= 0)
                    continue;
                var span = piece.Span;
                for (var at = 0; at < span.Length && pattern.Next(span, at, out var word); at = word.End)
                {
                    CollectionsMarshal.GetValueRefOrAddDefault(lookup, span[word.Start..word.End], out _)++;
                }
            }
        }

        return
        [
            .. counts
                .OrderBy(pair => pair.Key, StringComparer.Ordinal)
                .Select(pair => (Encoding.UTF8.GetBytes(pair.Key).Select(value => firstByte + value).ToArray(), pair.Value)),
        ];
    }

    /// <summary>How often each pair occurs, kept up to date while pairs are joined.</summary>
    private sealed class PairCounts
    {
        private readonly List<(int[] Ids, long Count)> _words;
        private readonly int[] _lengths;
        private readonly Dictionary<(int Left, int Right), long> _counts = [];
        private readonly Dictionary<(int Left, int Right), List<int>> _where = [];
        private readonly PriorityQueue<(int Left, int Right), (long Minus, int Left, int Right)> _queue = new();

        public PairCounts(List<(int[] Ids, long Count)> words)
        {
            _words = words;
            _lengths = [.. words.Select(word => word.Ids.Length)];
            for (var w = 0; w < words.Count; w++)
            {
                var (ids, count) = words[w];
                for (var i = 0; i + 1 < ids.Length; i++)
                    Change((ids[i], ids[i + 1]), count, w);
            }

            foreach (var (pair, count) in _counts)
                Offer(pair, count);
        }

        public (int Left, int Right)? Best()
        {
            while (_queue.TryPeek(out var pair, out var priority))
            {
                var count = _counts.GetValueOrDefault(pair);
                if (count > 0 && count == -priority.Minus)
                    return pair;
                _queue.Dequeue();
                if (count > 0 && count < -priority.Minus)
                    Offer(pair, count);
            }

            return null;
        }

        public void Skip((int Left, int Right) pair) => _counts.Remove(pair);

        public void Join((int Left, int Right) pair, int joined)
        {
            var changed = new HashSet<(int, int)>();
            foreach (var w in _where[pair])
            {
                var (ids, count) = _words[w];
                var length = _lengths[w];
                for (var i = 0; i + 1 < length; i++)
                {
                    if (ids[i] != pair.Left || ids[i + 1] != pair.Right)
                        continue;
                    if (i > 0)
                    {
                        Change((ids[i - 1], ids[i]), -count, w);
                        Change((ids[i - 1], joined), count, w);
                        changed.Add((ids[i - 1], joined));
                    }

                    if (i + 2 < length)
                    {
                        Change((ids[i + 1], ids[i + 2]), -count, w);
                        Change((joined, ids[i + 2]), count, w);
                        changed.Add((joined, ids[i + 2]));
                    }

                    ids[i] = joined;
                    Array.Copy(ids, i + 2, ids, i + 1, length - i - 2);
                    length--;
                }

                _lengths[w] = length;
            }

            _counts.Remove(pair);
            _where.Remove(pair);
            foreach (var next in changed)
            {
                if (_counts.GetValueOrDefault(next) is > 0 and var count)
                    Offer(next, count);
            }
        }

        private void Offer((int Left, int Right) pair, long count) => _queue.Enqueue(pair, (-count, pair.Left, pair.Right));

        private void Change((int Left, int Right) pair, long by, int word)
        {
            CollectionsMarshal.GetValueRefOrAddDefault(_counts, pair, out _) += by;
            if (by < 0)
                return;
            ref var where = ref CollectionsMarshal.GetValueRefOrAddDefault(_where, pair, out _);
            where ??= [];
            if (where.Count == 0 || where[^1] != word)
                where.Add(word);
        }
    }
}
