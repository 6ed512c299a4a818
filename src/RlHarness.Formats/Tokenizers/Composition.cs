using System.Globalization;
using System.Text;

namespace RlHarness.Formats.Tokenizers;

/// <summary>
/// NFC (Unicode Standard Annex 15) with alignment. Each code point carries a change, as in the Rust crate that <c>tokenizers</c> uses: 0 stands in the
/// place of one given code point, 1 was put in, -n took the place of n more.
/// </summary>
internal static class Composition
{
    private const int SBase = 0xAC00,
        LBase = 0x1100,
        VBase = 0x1161,
        TBase = 0x11A7,
        LCount = 19,
        VCount = 21,
        TCount = 28,
        SCount = LCount * VCount * TCount;

    private static readonly Dictionary<int, int[]> Decompositions = [];
    private static readonly Dictionary<(int, int), int> Composites = [];
    private static readonly Dictionary<int, byte> Classes = [];

    // One bit a code point of plane 0: it may differ after NFC, or make its neighbour differ.
    private static readonly uint[] Suspects = new uint[0x10000 / 32];
    private static readonly HashSet<int> SuspectsBeyond = [];

    static Composition()
    {
        foreach (var word in NormalizationData.Decompositions.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries))
        {
            var sign = word.IndexOfAny(['=', '>']);
            var composite = Hex(word.AsSpan(0, sign));
            var parts = word[(sign + 1)..].Split('+').Select(part => Hex(part)).ToArray();
            Decompositions.Add(composite, parts);
            if (word[sign] == '=')
            {
                Composites.Add((parts[0], parts[1]), composite);
                Suspect(parts[1]);
            }
            else
            {
                Suspect(composite);
            }
        }

        foreach (var word in NormalizationData.CombiningClasses.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries))
        {
            var colon = word.IndexOf(':');
            var dash = word.IndexOf('-');
            var first = Hex(word.AsSpan(0, dash < 0 ? colon : dash));
            var last = dash < 0 ? first : Hex(word.AsSpan(dash + 1, colon - dash - 1));
            for (var c = first; c <= last; c++)
            {
                Classes.Add(c, byte.Parse(word.AsSpan(colon + 1), CultureInfo.InvariantCulture));
                Suspect(c);
            }
        }

        for (var c = VBase; c < VBase + VCount; c++)
            Suspect(c);
        for (var c = TBase + 1; c < TBase + TCount; c++)
            Suspect(c);
    }

    /// <summary>True where the text is surely in NFC already.</summary>
    public static bool IsComposed(ReadOnlySpan<char> text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (c < 0x300)
                continue;
            if (char.IsHighSurrogate(c) && i + 1 < text.Length)
            {
                if (SuspectsBeyond.Contains(char.ConvertToUtf32(c, text[i + 1])))
                    return false;
                i++;
            }
            else if ((Suspects[c >> 5] >> (c & 31) & 1) != 0)
            {
                return false;
            }
        }

        return true;
    }

    public static Piece Compose(Piece piece, bool align)
    {
        var codes = Decompose(piece.Span);
        Order(codes);
        Recompose(codes);

        // The place in the given text moves on as the changes say.
        var built = new AlignedBuilder(align);
        var text = piece.Source.Text.AsSpan(0, piece.End);
        var at = piece.Start;
        var last = new CharSpan(0, 0);
        Span<char> units = stackalloc char[2];
        foreach (var (code, _, change) in codes)
        {
            if (change <= 0)
            {
                CharacterClasses.At(text, at, out var width);
                var origin = piece.Source.Origin(at, width);
                built.Append(units[..new Rune(code).EncodeToUtf16(units)], origin);
                at += width;
                last = origin;
                for (var i = change; i < 0; i++)
                {
                    CharacterClasses.At(text, at, out width);
                    last = piece.Source.Origin(at, width);
                    at += width;
                }
            }
            else
            {
                built.Append(units[..new Rune(code).EncodeToUtf16(units)], last);
            }
        }

        return built.ToPiece(piece.AtStart);
    }

    private static List<(int Code, byte Class, int Change)> Decompose(ReadOnlySpan<char> text)
    {
        var codes = new List<(int, byte, int)>(text.Length + 16);
        for (int i = 0, width; i < text.Length; i += width)
        {
            var from = codes.Count;
            Decompose(CharacterClasses.At(text, i, out width), codes);
            for (var k = from + 1; k < codes.Count; k++)
                codes[k] = codes[k] with { Item3 = 1 };
        }

        return codes;
    }

    private static void Decompose(int code, List<(int, byte, int)> codes)
    {
        if (code is >= SBase and < SBase + SCount)
        {
            var index = code - SBase;
            codes.Add((LBase + (index / (VCount * TCount)), 0, 0));
            codes.Add((VBase + (index % (VCount * TCount) / TCount), 0, 0));
            if (index % TCount != 0)
                codes.Add((TBase + (index % TCount), 0, 0));
        }
        else if (Decompositions.TryGetValue(code, out var parts))
        {
            foreach (var part in parts)
                Decompose(part, codes);
        }
        else
        {
            codes.Add((code, Classes.GetValueOrDefault(code), 0));
        }
    }

    // Marks after a starter are sorted by class; equal ones keep their order.
    private static void Order(List<(int Code, byte Class, int Change)> codes)
    {
        for (var i = 1; i < codes.Count; i++)
        {
            var moved = codes[i];
            if (moved.Class == 0)
                continue;
            var k = i;
            for (; k > 0 && codes[k - 1].Class > moved.Class; k--)
                codes[k] = codes[k - 1];
            codes[k] = moved;
        }
    }

    private static void Recompose(List<(int Code, byte Class, int Change)> codes)
    {
        var starter = -1;
        var kept = 0;
        var lastClass = -1;
        for (var i = 0; i < codes.Count; i++)
        {
            var (code, order, change) = codes[i];
            if (starter >= 0 && (lastClass < order || lastClass == -1) && Pair(codes[starter].Code, code) is var composite and >= 0)
            {
                codes[starter] = (composite, 0, codes[starter].Change + change - 1);
                continue;
            }

            codes[kept] = codes[i];
            if (order == 0)
            {
                starter = kept;
                lastClass = -1;
            }
            else
            {
                lastClass = order;
            }

            kept++;
        }

        codes.RemoveRange(kept, codes.Count - kept);
    }

    private static int Pair(int first, int second)
    {
        if (first is >= LBase and < LBase + LCount && second is >= VBase and < VBase + VCount)
        {
            return SBase + ((((first - LBase) * VCount) + second - VBase) * TCount);
        }

        if (first is >= SBase and < SBase + SCount && (first - SBase) % TCount == 0 && second is > TBase and < TBase + TCount)
            return first + second - TBase;
        return Composites.TryGetValue((first, second), out var composite) ? composite : -1;
    }

    private static int Hex(ReadOnlySpan<char> digits) => int.Parse(digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    private static void Suspect(int code)
    {
        if (code < 0x10000)
            Suspects[code >> 5] |= 1u << (code & 31);
        else
            SuspectsBeyond.Add(code);
    }
}
