using System.Text;
using System.Text.Json;

namespace RlHarness.Tools.Fuzz;

/// <summary>Valid input with one to four things wrong in it. The same seed gives the same input.</summary>
internal static class Mutator
{
    private static readonly byte[][] Fragments =
    [
        .. new[]
        {
            "null", "true", "0", "-1", "1e6", "1000000", "2147483648", "-9223372036854775808", "1e400", "NaN", "Infinity", "\"\"", "\"\\ud800\"", "[]", "{}",
            "[null]", "{\"type\":null}", "\0", "\n", "\t", ": ", "- ", "'", "\"", "{", "}",
            "[", "]", "&a ", "*a", "{{", "}}", "{%", "%}", "(?:", ")*", "|", ",",
            "\uFEFF", "\u202E", "\u001b[2J", "𝕏",
        }.Select(Encoding.UTF8.GetBytes),
    ];

    internal static byte[] Of(byte[] valid, long seed, int within)
    {
        var random = new Random(unchecked((int)(seed * 2654435761)));
        var bytes = new List<byte>(valid);
        if (random.Next(2) == 0 && IsJson(valid))
            Replace(bytes, random);
        else
            for (var changes = 1 + random.Next(4); changes > 0 && bytes.Count > 1; changes--)
                Change(bytes, Math.Min(within > 0 ? within : bytes.Count, bytes.Count), random);
        return [.. bytes];
    }

    private static bool IsJson(byte[] text)
    {
        if (text is not [(byte)'{', ..])
            return false;
        try
        {
            using var document = JsonDocument.Parse(text);
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static void Change(List<byte> bytes, int end, Random random)
    {
        var at = random.Next(end);
        var length = Math.Min(1 + random.Next(random.Next(2) == 0 ? 4 : 64), bytes.Count - at);
        switch (random.Next(8))
        {
            case 0:
                bytes[at] ^= (byte)(1 << random.Next(8));
                break;
            case 1:
                bytes[at] = (byte)random.Next(256);
                break;
            case 2:
                bytes.RemoveRange(at, length);
                break;
            case 3:
                bytes.InsertRange(at, bytes.GetRange(random.Next(bytes.Count - length + 1), length));
                break;
            case 4:
                bytes.InsertRange(at, Fragments[random.Next(Fragments.Length)]);
                break;
            case 5:
                // A count, an offset or a length: all bits, none, one, or the sign's.
                var number = random.Next(4) switch { 0 => 0L, 1 => -1L, 2 => 1L << random.Next(64), _ => int.MinValue };
                var width = Math.Min(random.Next(2) * 4 + 4, bytes.Count - at);
                for (var i = 0; i < width; i++)
                    bytes[at + i] = BitConverter.GetBytes(number)[i];
                break;
            case 6:
                var many = bytes.GetRange(at, length);
                for (var n = random.Next(200); n > 0; n--)
                    bytes.InsertRange(at, many);
                break;
            default:
                bytes.RemoveRange(at, bytes.Count - at);
                break;
        }
    }

    /// <summary>Puts a JSON value of another kind in the place of one, or takes a property's name away.</summary>
    private static void Replace(List<byte> bytes, Random random)
    {
        var places = new List<(int From, int To)>();
        var open = new Stack<int>();
        var reader = new Utf8JsonReader(bytes.ToArray());
        while (reader.Read())
        {
            var (from, to) = ((int)reader.TokenStartIndex, (int)reader.BytesConsumed);
            if (reader.TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray)
                open.Push(from);
            else if (reader.TokenType is JsonTokenType.EndObject or JsonTokenType.EndArray)
                places.Add((open.Pop(), to));
            else
                places.Add((from, reader.TokenType is JsonTokenType.PropertyName ? from + 2 + reader.ValueSpan.Length : to));
        }

        places.Sort();
        var (start, stop) = places[random.Next(random.Next(2) == 0 ? Math.Min(200, places.Count) : places.Count)];
        bytes.RemoveRange(start, stop - start);
        bytes.InsertRange(start, Fragments[random.Next(18)]);
    }
}
