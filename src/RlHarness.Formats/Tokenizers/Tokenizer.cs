using System.Text;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Formats.Files;

namespace RlHarness.Formats.Tokenizers;

/// <summary>
/// Text to token ids and back, exactly as the <c>tokenizers</c> library does it for byte-pair encoding: byte-level (GPT-2, Llama 3, Qwen, OLMo, SmolLM, Mistral
/// Nemo) and SentencePiece-like (Llama 2, Mistral, Phi-3, Gemma). Safe for use by many threads. Spans and lengths count UTF-16 units, as .NET's strings do.
/// </summary>
public sealed class Tokenizer
{
    private readonly TokenizerParts _parts;
    private readonly TokenizerSettings _settings;
    private readonly AddedTokenMatcher _early;
    private readonly AddedTokenMatcher _late;
    private readonly Dictionary<string, int> _addedIds = new(StringComparer.Ordinal);
    private readonly Dictionary<int, AddedToken> _added = [];
    private readonly (byte[] Bytes, bool Stray)?[] _bytes;

    internal Tokenizer(string source, TokenizerParts parts, TokenizerSettings settings)
    {
        (_parts, _settings) = (parts, settings);
        foreach (var token in settings.Added(parts))
        {
            if (!_addedIds.TryAdd(token.Content, token.Id))
                continue;
            _added[token.Id] = token;
        }

        VocabularySize = Math.Max(parts.Model.Tokens.Keys.DefaultIfEmpty(-1).Max(), _added.Keys.DefaultIfEmpty(-1).Max()) + 1;
        _early = new AddedTokenMatcher(_added.Values.Where(token => !token.Normalized).Select(token => (token.Content, token)));
        _late = new AddedTokenMatcher(
            _added.Values.Where(token => token.Normalized).Select(token => (parts.Normalizer?.Apply(token.Content) ?? token.Content, token))
        );
        _bytes = new (byte[], bool)?[VocabularySize];
        for (var id = 0; id < VocabularySize; id++)
        {
            if (Find(id) is { } token)
                _bytes[id] = (parts.Decoder.Bytes(token, out var stray), stray);
        }

        BosId = Named(source, "bos_token");
        EosId = Named(source, "eos_token");
        PadId = Named(source, "pad_token");
        UnknownId = Named(source, "unk_token");
    }

    /// <summary>What its files say and the reference library reads otherwise.</summary>
    public IReadOnlyList<string> Notes => _parts.Notes;

    /// <summary>The highest id and one; ids in between may be unused, and a model's embedding may have more rows.</summary>
    public int VocabularySize { get; }

    public int? BosId { get; }

    public int? EosId { get; }

    public int? PadId { get; }

    public int? UnknownId { get; }

    /// <summary>The chat templates by name; the usual one is <c>default</c>.</summary>
    public IReadOnlyDictionary<string, string> ChatTemplates => _settings.ChatTemplates;

    /// <summary>The template named <c>default</c>, or the only one; null where there is none.</summary>
    public string? ChatTemplate =>
        ChatTemplates.TryGetValue("default", out var template) ? template
        : ChatTemplates.Count == 1 ? ChatTemplates.Values.Single()
        : null;

    /// <summary>Whether one of its templates writes the date or the time, so that its text is another every day.</summary>
    public bool TemplateReadsClock => ReadClock(ChatTemplates);

    /// <summary>Special tokens by their name in tokenizer_config.json (<c>bos_token</c>, …), as chat templates see them.</summary>
    public IReadOnlyDictionary<string, string> SpecialTokens => _settings.Named;

    internal TokenizerParts Parts => _parts;

    internal TokenizerSettings Settings => _settings;

    /// <summary>Tokens that are recognised in text before it is split, by their ids.</summary>
    internal IReadOnlyDictionary<int, AddedToken> Added => _added;

    internal TokenDecoder Decoder => _parts.Decoder;

    /// <summary>
    /// Reads <c>tokenizer.json</c> and, where they are there, <c>tokenizer_config.json</c>, <c>special_tokens_map.json</c> and
    /// <c>chat_template.jinja</c>.
    /// </summary>
    /// <exception cref="HarnessException">A file is missing or malformed, has a part that is not supported, or names a token that the vocabulary
    /// lacks.</exception>
    public static Tokenizer Load(string folder)
    {
        var path = Path.Combine(folder, "tokenizer.json");
        if (!File.Exists(path))
        {
            throw HarnessException.BadFile(
                path,
                "no such file",
                expected: "a tokenizer.json",
                remedy: "fetch the model's tokenizer.json (a tokenizer.model alone is not read), or use its GGUF file"
            );
        }

        var settings = TokenizerSettings.Load(folder);
        return new Tokenizer(path, new TokenizerReader(path).Read(settings.Files["tokenizer.json"]), settings);
    }

    /// <summary>Like <see cref="TemplateReadsClock"/>, but without reading the vocabulary.</summary>
    /// <param name="path">A model's folder or GGUF file; one without templates reads no clock.</param>
    /// <exception cref="HarnessException">A file is malformed.</exception>
    public static bool TemplateReadsClockAt(string path)
    {
        if (!File.Exists(path))
            return ReadClock(TokenizerSettings.Load(path, withVocabulary: false).ChatTemplates);
        using var file = GgufFile.Open(path);
        return ReadClock(GgufTokenizer.Templates(file));
    }

    private static bool ReadClock(IReadOnlyDictionary<string, string> templates) =>
        templates.Values.Any(template => template.Contains("strftime_now", StringComparison.Ordinal));

    /// <summary>The tokenizer in a GGUF file's metadata.</summary>
    /// <exception cref="HarnessException">There is none, or it is of a kind that is not supported.</exception>
    public static Tokenizer FromGguf(GgufFile file) => GgufTokenizer.Read(file);

    /// <summary>The id of a vocabulary entry or added token, as the vocabulary spells it; null where there is none.</summary>
    public int? IdOf(string token) => _addedIds.TryGetValue(token, out var id) || _parts.Model.Ids.TryGetValue(token, out id) ? id : null;

    /// <summary>The id of a token that must be there.</summary>
    /// <exception cref="HarnessException">It is not in the vocabulary.</exception>
    public int RequireId(string token) =>
        IdOf(token)
        ?? throw new HarnessException(
            ErrorKind.BadFile,
            $"the tokenizer has no token '{token}'",
            $"a vocabulary of {VocabularySize}",
            "the token",
            "use the tokenizer that belongs to the model"
        );

    /// <summary>The vocabulary's spelling of an id.</summary>
    /// <exception cref="ArgumentOutOfRangeException">No token has this id.</exception>
    public string TokenOf(int id) =>
        Find(id) ?? throw new ArgumentOutOfRangeException(nameof(id), id, $"no token has this id (vocabulary size {VocabularySize})");

    /// <summary>Ids below a model's number of rows that no token has: what a model draws of them is nothing in any text.</summary>
    public IReadOnlyList<int> IdsWithoutToken(int rows) => [.. Enumerable.Range(0, rows).Where(id => Find(id) is null)];

    public bool IsSpecial(int id) => _added.TryGetValue(id, out var token) && token.Special;

    /// <summary>
    /// Token ids of a text. Added tokens are recognised in it; <paramref name="addSpecialTokens"/> puts BOS and the like around it where the
    /// tokenizer does so.
    /// </summary>
    public int[] Encode(string text, bool addSpecialTokens = false)
    {
        var ids = new List<int>((text.Length / 3) + 8);
        if (addSpecialTokens)
            ids.AddRange(_parts.PostProcessor.Before);
        foreach (var piece in Pieces(text, align: false))
        {
            if (piece.Id >= 0)
                ids.Add(piece.Id);
            else
                _parts.Model.Encode(piece.Span, ids);
        }

        if (addSpecialTokens)
            ids.AddRange(_parts.PostProcessor.After);
        return [.. ids];
    }

    /// <summary>
    /// Token ids of a text that quotes others': in the stretches <paramref name="quoted"/> no added token is recognised, so that what is quoted can't end a
    /// message or begin one. A token's spelling there is text like any other.
    /// </summary>
    public int[] EncodeQuoting(string text, IReadOnlyList<CharSpan> quoted)
    {
        ArgumentNullException.ThrowIfNull(quoted);
        var ids = new List<int>((text.Length / 3) + 8);
        foreach (var piece in Pieces(text, align: true, quoted))
        {
            if (piece.Id >= 0)
                ids.Add(piece.Id);
            else
                _parts.Model.Encode(piece.Span, ids);
        }

        return [.. ids];
    }

    /// <summary>Like <see cref="Encode"/>, with the stretch of the text that each token stands for.</summary>
    public TokenizedText EncodeWithSpans(string text, bool addSpecialTokens = false)
    {
        var ids = new List<int>();
        var spans = new List<CharSpan>();
        var units = new List<int>();
        foreach (var piece in Pieces(text, align: true))
        {
            if (piece.Id >= 0)
            {
                ids.Add(piece.Id);
                spans.Add(piece.Source.Origin(new CharSpan(piece.Start, piece.End)));
                continue;
            }

            units.Clear();
            _parts.Model.Encode(piece.Span, ids, units);
            AddSpans(Origins(piece), units, spans);
        }

        Trim(ids, spans);
        if (!addSpecialTokens)
            return new TokenizedText([.. ids], [.. spans]);
        var (before, after) = (_parts.PostProcessor.Before, _parts.PostProcessor.After);
        return new TokenizedText([.. before, .. ids, .. after], [.. before.Select(_ => default(CharSpan)), .. spans, .. after.Select(_ => default(CharSpan))]);
    }

    /// <summary>The text of token ids. Ids that no token has give nothing; ill-formed bytes give U+FFFD.</summary>
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens = false) => new StreamingDecoder(this, skipSpecialTokens).All(ids);

    public string Decode(IEnumerable<int> ids, bool skipSpecialTokens = false) => Decode(ids as int[] ?? [.. ids], skipSpecialTokens);

    public StreamingDecoder CreateStreamingDecoder(bool skipSpecialTokens = false) => new(this, skipSpecialTokens);

    /// <summary>Writes the files that transformers opens; those that were read are written as they were.</summary>
    public void Save(string folder)
    {
        foreach (var (name, bytes) in _settings.Files)
            AtomicFile.Write(Path.Combine(folder, name), stream => stream.Write(bytes));
    }

    /// <summary>
    /// The bytes that a token stands for, of which several tokens may make one character; none where no token has this id. Of a tokenizer that drops a blank at
    /// the beginning of a text, they have it.
    /// </summary>
    public ReadOnlyMemory<byte> BytesOf(int id) => BytesOf(id, out _) ?? [];

    /// <summary>The bytes of a token; null where no token has this id.</summary>
    internal byte[]? BytesOf(int id, out bool stray)
    {
        stray = false;
        if ((uint)id >= (uint)_bytes.Length || _bytes[id] is not { } entry)
            return null;
        stray = entry.Stray;
        return entry.Bytes;
    }

    private string? Find(int id) => _added.TryGetValue(id, out var token) ? token.Content : _parts.Model.Tokens.GetValueOrDefault(id);

    private int? Named(string source, string name)
    {
        if (!_settings.Named.TryGetValue(name, out var token))
            return null;
        return IdOf(token)
            ?? throw HarnessException.BadFile(
                source,
                $"the settings name a {name} that the vocabulary lacks",
                $"'{token}'",
                "a token of tokenizer.json",
                "use tokenizer.json and tokenizer_config.json of the same model"
            );
    }

    private List<Piece> Pieces(string text, bool align, IReadOnlyList<CharSpan>? quoted = null)
    {
        bool IsQuoted(Piece match) =>
            quoted is not null && match.Source.Origin(new CharSpan(match.Start, match.End)) is var at && quoted.Any(q => at.Start < q.End && at.End > q.Start);

        if (!IsWellFormed(text))
            text = Repair(text);
        var pieces = new List<Piece>();
        var whole = new Piece(new AlignedText(text), 0, text.Length, AtStart: true);
        if (_early.IsEmpty)
            pieces.Add(whole);
        else
            _early.Split(whole, pieces, IsQuoted);
        if (_parts.Normalizer is { } normalizer)
            pieces = Each(pieces, (piece, output) => output.Add(normalizer.Apply(piece, align)));
        if (!_late.IsEmpty)
            pieces = Each(pieces, (piece, output) => _late.Split(piece, output, IsQuoted));
        foreach (var step in _parts.PreTokenizers)
            pieces = Each(pieces, (piece, output) => step.Apply(piece, align, output));
        return pieces;
    }

    private static List<Piece> Each(List<Piece> pieces, Action<Piece, List<Piece>> step)
    {
        var output = new List<Piece>(pieces.Count + 16);
        foreach (var piece in pieces)
        {
            if (piece.Id >= 0)
                output.Add(piece);
            else if (piece.Length > 0)
                step(piece, output);
        }

        return output;
    }

    // One origin for each unit in which BpeModel counts: a byte of UTF-8, or of the byte alphabet's spelling.
    private List<CharSpan> Origins(Piece piece)
    {
        var origins = new List<CharSpan>(piece.Length * 2);
        Span<byte> bytes = stackalloc byte[4];
        var text = piece.Span;
        for (int i = 0, width; i < text.Length; i += width)
        {
            CharacterClasses.At(text, i, out width);
            var origin = piece.Source.Origin(piece.Start + i, width);
            var count = Encoding.UTF8.GetBytes(text.Slice(i, width), bytes);
            for (var k = 0; k < count; k++)
            {
                origins.Add(origin);
                if (_parts.Model.Options.ByteLevel && ByteAlphabet.Spell(bytes[k]) >= 0x80)
                    origins.Add(origin);
            }
        }

        return origins;
    }

    private static void AddSpans(List<CharSpan> origins, List<int> units, List<CharSpan> spans)
    {
        var at = 0;
        foreach (var count in units)
        {
            spans.Add(new CharSpan(origins[at].Start, origins[at + count - 1].End));
            at += count;
        }
    }

    // As `tokenizers` trims: as many places as the token has spaces at its ends.
    private void Trim(List<int> ids, List<CharSpan> spans)
    {
        foreach (var prefixSpace in _parts.PostProcessor.Trims)
        {
            for (var i = 0; i < ids.Count; i++)
            {
                var token = TokenOf(ids[i]);
                var (start, end) = spans[i];
                var leading = token.TakeWhile(IsSpace).Count();
                var trailing = token.Reverse().TakeWhile(IsSpace).Count();
                if (leading > 0 && prefixSpace && (i == 0 || start == 0))
                    leading = 0;
                start = Math.Min(start + leading, end);
                if (trailing > 0 && end >= trailing)
                    end = Math.Max(end - trailing, start);
                spans[i] = new CharSpan(start, end);
            }
        }
    }

    private static bool IsSpace(char c) => c == ByteAlphabet.Spell((byte)' ') || CharacterClasses.IsSpace(c);

    private static bool IsWellFormed(string text)
    {
        for (var i = text.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF'); i >= 0 && i < text.Length; i++)
        {
            if (!char.IsSurrogate(text[i]))
                continue;
            if (!char.IsHighSurrogate(text[i]) || i + 1 == text.Length || !char.IsLowSurrogate(text[i + 1]))
                return false;
            i++;
        }

        return true;
    }

    // A lone surrogate has no UTF-8 form; U+FFFD takes as many UTF-16 units.
    private static string Repair(string text) => new UnicodeEncoding(false, false, false) is var utf16 ? utf16.GetString(utf16.GetBytes(text)) : text;
}
