using System.Globalization;
using System.Text;

namespace RlHarness.Formats.Tokenizers;

/// <summary>From tokens to text. What a token gives is bytes; only byte-fallback tokens (<c>&lt;0xE4&gt;</c>) are told apart.</summary>
internal sealed class TokenDecoder(bool byteLevel, IReadOnlyList<(string Old, string New)> replacements, bool byteFallback, char strip, int stripStart)
{
    public bool ByteFallback => byteFallback;

    /// <summary>How many <see cref="Strip"/> characters are removed from the very start of the text.</summary>
    public int StripStart => stripStart;

    public char Strip => strip;

    /// <summary>The bytes of a token; <paramref name="stray"/> where it is one byte of a run.</summary>
    public byte[] Bytes(string token, out bool stray)
    {
        stray = false;
        if (byteLevel)
            return ByteAlphabet.Bytes(token);
        if (
            byteFallback
            && token.Length == 6
            && token.StartsWith("<0x", StringComparison.Ordinal)
            && token[5] == '>'
            && byte.TryParse(token.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value)
        )
        {
            stray = true;
            return [value];
        }

        foreach (var (old, by) in replacements)
            token = token.Replace(old, by, StringComparison.Ordinal);
        return Encoding.UTF8.GetBytes(token);
    }
}
