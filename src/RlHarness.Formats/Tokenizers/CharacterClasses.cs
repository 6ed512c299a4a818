using System.Globalization;
using System.Text;

namespace RlHarness.Formats.Tokenizers;

/// <summary>
/// Unicode classes by code point, as the split patterns use them (.NET 10 knows Unicode 16, as the pattern engine of <c>tokenizers</c> does).
/// </summary>
internal static class CharacterClasses
{
    public const byte Space = 1;
    public const byte Letter = 2;
    public const byte Number = 4;

    private static readonly byte[] Plane0 = Build();

    /// <summary>Flags of a code point: <see cref="Space"/>, <see cref="Letter"/>, <see cref="Number"/> or none of them.</summary>
    public static byte Of(int codePoint) => codePoint < 0x10000 ? Plane0[codePoint] : Classify(codePoint);

    /// <summary>The code point at a place and the number of UTF-16 units that it takes; the text has no lone surrogates.</summary>
    public static int At(ReadOnlySpan<char> text, int at, out int width)
    {
        var first = text[at];
        if (char.IsHighSurrogate(first) && at + 1 < text.Length)
        {
            width = 2;
            return char.ConvertToUtf32(first, text[at + 1]);
        }

        width = 1;
        return first;
    }

    /// <summary>White_Space: 25 code points, without U+001C–1F.</summary>
    public static bool IsSpace(int codePoint) => (Of(codePoint) & Space) != 0;

    /// <summary>A word character (<c>\w</c>): alphabetic, mark, decimal digit, connector, joiner.</summary>
    public static bool IsWord(int codePoint) =>
        Category(codePoint) switch
        {
            UnicodeCategory.UppercaseLetter
            or UnicodeCategory.LowercaseLetter
            or UnicodeCategory.TitlecaseLetter
            or UnicodeCategory.ModifierLetter
            or UnicodeCategory.OtherLetter
            or UnicodeCategory.LetterNumber
            or UnicodeCategory.DecimalDigitNumber
            or UnicodeCategory.ConnectorPunctuation
            or UnicodeCategory.NonSpacingMark
            or UnicodeCategory.SpacingCombiningMark
            or UnicodeCategory.EnclosingMark => true,
            // Other_Alphabetic beyond letters and marks, and Join_Control
            _ => codePoint
                is >= 0x24B6
                    and <= 0x24E9
                    or >= 0x1F130
                    and <= 0x1F149
                    or >= 0x1F150
                    and <= 0x1F169
                    or >= 0x1F170
                    and <= 0x1F189
                    or 0x200C
                    or 0x200D,
        };

    public static UnicodeCategory Category(int codePoint) => CharUnicodeInfo.GetUnicodeCategory(codePoint);

    private static byte[] Build()
    {
        var table = new byte[0x10000];
        for (var i = 0; i < table.Length; i++)
            table[i] = Classify(i);
        return table;
    }

    private static byte Classify(int codePoint)
    {
        if (Rune.IsValid(codePoint) && Rune.IsWhiteSpace(new Rune(codePoint)))
            return Space;
        return Category(codePoint) switch
        {
            UnicodeCategory.UppercaseLetter
            or UnicodeCategory.LowercaseLetter
            or UnicodeCategory.TitlecaseLetter
            or UnicodeCategory.ModifierLetter
            or UnicodeCategory.OtherLetter => Letter,
            UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => Number,
            _ => 0,
        };
    }
}
