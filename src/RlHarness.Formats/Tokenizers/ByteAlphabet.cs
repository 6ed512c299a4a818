namespace RlHarness.Formats.Tokenizers;

/// <summary>
/// GPT-2's spelling of bytes as visible characters: printable Latin-1 stands for itself, the others follow from U+0100 on in byte order. Vocabularies of
/// byte-level tokenizers are written in it.
/// </summary>
internal static class ByteAlphabet
{
    private static readonly char[] Characters = Build();
    private static readonly short[] Back = Invert();

    public static ReadOnlySpan<char> Spelling => Characters;

    public static char Spell(byte value) => Characters[value];

    /// <summary>The byte that a character stands for, or -1.</summary>
    public static int Byte(char spelled) => spelled < Back.Length ? Back[spelled] : -1;

    /// <summary>The bytes of a token; one with a character outside the alphabet is taken as the text that it is.</summary>
    public static byte[] Bytes(string token)
    {
        var bytes = new byte[token.Length];
        for (var i = 0; i < token.Length; i++)
        {
            var value = Byte(token[i]);
            if (value < 0)
                return System.Text.Encoding.UTF8.GetBytes(token);
            bytes[i] = (byte)value;
        }

        return bytes;
    }

    public static string Spell(ReadOnlySpan<byte> bytes)
    {
        var spelled = new char[bytes.Length];
        for (var i = 0; i < spelled.Length; i++)
            spelled[i] = Characters[bytes[i]];
        return new string(spelled);
    }

    private static char[] Build()
    {
        var table = new char[256];
        var next = 256;
        for (var value = 0; value < 256; value++)
        {
            var printable = value is >= 0x21 and <= 0x7E or >= 0xA1 and <= 0xAC or >= 0xAE;
            table[value] = (char)(printable ? value : next++);
        }

        return table;
    }

    private static short[] Invert()
    {
        var back = new short[Characters.Max() + 1];
        Array.Fill(back, (short)-1);
        for (var value = 0; value < 256; value++)
            back[Characters[value]] = (short)value;
        return back;
    }
}
