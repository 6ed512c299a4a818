using System.Text;
using System.Text.Json;
using RlHarness.Core.Errors;

namespace RlHarness.Tests;

/// <summary>
/// Valid input with something wrong in it: bits flipped, pieces cut out, repeated or put elsewhere, odd fragments put in, JSON values of another kind. The
/// same seed gives the same input. Whatever a reader is given, it returns or throws the project's own exception.
/// </summary>
internal static class Mutations
{
    private static readonly string[] Fragments =
    [
        "null", "true", "0", "-1", "2147483648", "9223372036854775808", "1e400", "NaN", "\"\"", "\"\\ud800\"", "[]", "{}", "[null]", "{\"type\":null}",
        "\0", "\n", "\t", ": ", "- ", "'", "\"", "{", "}", "[", "]", "&a ", "*a", "!!int ", "|\n", "#", "---\n",
        "{{", "}}", "{%", "%}", "|", "(", ")", ",", ".",
        "\uFEFF", "\uFFFF", "𝕏",
    ];

    /// <summary>How many times as many inputs are tried as a test asks for, for a longer search.</summary>
    private static int Effort => int.TryParse(Environment.GetEnvironmentVariable("RLHARNESS_MUTATIONS"), out var times) ? times : 1;

    /// <summary>Hands <paramref name="count"/> mutations of a valid input to a reader.</summary>
    /// <param name="valid">What the reader accepts.</param>
    /// <param name="count">Mutations, with seeds from 0.</param>
    /// <param name="read">Reads, and uses what it has read.</param>
    /// <param name="within">Only the first so many bytes are changed, where what follows has no structure; 0 for all.</param>
    /// <param name="except">Seeds of defects that are known and not yet mended.</param>
    public static void AreReadOrRefused(byte[] valid, int count, Action<byte[]> read, int within = 0, int[]? except = null)
    {
        read(valid);
        count *= Effort;
        var (refused, failures) = (0, new SortedDictionary<string, List<int>>(StringComparer.Ordinal));
        foreach (var seed in Enumerable.Range(0, count).Except(except ?? []))
        {
            try
            {
                read(Of(valid, seed, within));
            }
            catch (HarnessException)
            {
                refused++;
            }
            catch (Exception e)
            {
                var where = e.StackTrace?.Split('\n').FirstOrDefault(line => line.Contains(" RlHarness.", StringComparison.Ordinal))?.Trim() ?? "";
                var what = $"{e.GetType().Name} ({e.Message.ReplaceLineEndings(" ")}) {where}";
                if (!failures.TryGetValue(what, out var seeds))
                    failures[what] = seeds = [];
                seeds.Add(seed);
            }
        }

        Assert.True(
            failures.Count == 0,
            string.Join('\n', failures.Select(f => $"{f.Key}{Environment.NewLine}  seeds {string.Join(", ", f.Value)}"))
        );
        // A reader that takes everything, or refuses everything, was not tested.
        Assert.InRange(refused, count / 50, count - 1);
    }

    /// <summary>The input with one to three changes.</summary>
    public static byte[] Of(byte[] valid, int seed, int within = 0)
    {
        var random = new Random(seed);
        var bytes = valid.ToList();
        var end = Math.Min(within > 0 ? within : bytes.Count, bytes.Count);
        if (IsJson(valid) && random.Next(2) == 0)
            ReplaceValue(bytes, random);
        else
            for (var changes = 1 + random.Next(3); changes > 0 && bytes.Count > 1; changes--)
                Change(bytes, Math.Min(end, bytes.Count), random);
        return [.. bytes];
    }

    private static bool IsJson(byte[] text)
    {
        if (text is not [(byte)'{' or (byte)'[', ..])
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
        switch (random.Next(7))
        {
            case 0:
                bytes[at] ^= (byte)(1 << random.Next(8));
                break;
            case 1:
                bytes[at] = random.Next(3) switch
                {
                    0 => 0,
                    1 => 255,
                    _ => (byte)random.Next(256),
                };
                break;
            case 2:
                bytes.RemoveRange(at, length);
                break;
            case 3:
                bytes.InsertRange(at, bytes.GetRange(random.Next(bytes.Count - length + 1), length));
                break;
            case 4:
                bytes.InsertRange(at, Encoding.UTF8.GetBytes(Fragments[random.Next(Fragments.Length)]));
                break;
            case 5:
                var numbers = Enumerable.Repeat((byte)(random.Next(2) * 255), Math.Min(8, bytes.Count - at)).ToArray();
                bytes.RemoveRange(at, numbers.Length);
                bytes.InsertRange(at, numbers);
                break;
            default:
                bytes.RemoveRange(at, bytes.Count - at);
                break;
        }
    }

    /// <summary>Puts a JSON value of another kind in the place of one, or takes a property's name away.</summary>
    private static void ReplaceValue(List<byte> bytes, Random random)
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
            else if (reader.TokenType is JsonTokenType.PropertyName)
                places.Add((from, from + 2 + reader.ValueSpan.Length));
            else
                places.Add((from, to));
        }

        // Long lists have most of the values: half of the time the place is one of the few that are not deep inside them.
        places.Sort();
        var near = places.Take(200).ToList();
        var (start, stop) = random.Next(2) == 0 ? near[random.Next(near.Count)] : places[random.Next(places.Count)];
        bytes.RemoveRange(start, stop - start);
        bytes.InsertRange(start, Encoding.UTF8.GetBytes(Fragments[random.Next(15)]));
    }
}
