using System.Text;

namespace RlHarness.Formats.Tokenizers;

/// <summary>
/// Decodes token by token. What has been given out, with <see cref="Finish"/>, always equals <see cref="Tokenizer.Decode(ReadOnlySpan{int}, bool)"/>
/// of the same
/// ids: an unfinished character is held until it is finished or broken. A run of byte-fallback tokens is held to its end, since one broken byte in it
/// changes how the whole run is read. Not safe for use by several threads at once.
/// </summary>
public sealed class StreamingDecoder
{
    private readonly Tokenizer _tokenizer;
    private readonly bool _skipSpecialTokens;
    private readonly Decoder _utf8 = new UTF8Encoding(false, false).GetDecoder();
    private readonly List<byte> _run = [];
    private readonly StringBuilder _output = new();
    private int _strip;

    internal StreamingDecoder(Tokenizer tokenizer, bool skipSpecialTokens) =>
        (_tokenizer, _skipSpecialTokens, _strip) = (tokenizer, skipSpecialTokens, tokenizer.Decoder.StripStart);

    /// <summary>The text that this token settles; often empty.</summary>
    public string Add(int id)
    {
        Accept(id);
        return Take();
    }

    /// <summary>What was held back; afterwards the decoder can be used anew.</summary>
    public string Finish()
    {
        EndRun();
        Emit([], flush: true);
        var rest = Take();
        _strip = _tokenizer.Decoder.StripStart;
        return rest;
    }

    internal string All(ReadOnlySpan<int> ids)
    {
        foreach (var id in ids)
            Accept(id);
        return Finish();
    }

    private void Accept(int id)
    {
        if (_skipSpecialTokens && _tokenizer.IsSpecial(id))
            return;
        if (_tokenizer.BytesOf(id, out var stray) is not { } bytes)
            return;
        if (stray)
        {
            _run.Add(bytes[0]);
            return;
        }

        EndRun();
        Emit(bytes, flush: false);
    }

    private void EndRun()
    {
        if (_run.Count == 0)
            return;
        var bytes = _run.ToArray();
        _run.Clear();
        if (System.Text.Unicode.Utf8.IsValid(bytes))
            Emit(bytes, flush: false);
        else
            Append(new string('\uFFFD', bytes.Length));
    }

    private void Emit(ReadOnlySpan<byte> bytes, bool flush)
    {
        Span<char> chars = bytes.Length < 256 ? stackalloc char[260] : new char[bytes.Length + 4];
        var count = _utf8.GetChars(bytes, chars, flush);
        Append(chars[..count]);
    }

    private void Append(ReadOnlySpan<char> text)
    {
        var from = 0;
        while (_strip > 0 && from < text.Length)
        {
            if (text[from] == _tokenizer.Decoder.Strip)
            {
                from++;
                _strip--;
            }
            else
            {
                _strip = 0;
            }
        }

        _output.Append(text[from..]);
    }

    private string Take()
    {
        var text = _output.ToString();
        _output.Clear();
        return text;
    }
}
