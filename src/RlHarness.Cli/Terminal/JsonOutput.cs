using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace RlHarness.Cli.Terminal;

/// <summary>What <c>--json</c> prints.</summary>
internal static class JsonOutput
{
    private static readonly JsonSerializerOptions Options = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };

    internal static void Print<T>(T value) => Console.WriteLine(Escaped(JsonSerializer.Serialize(value, Options)));

    /// <summary>One value a line.</summary>
    internal static void PrintLine<T>(T value) =>
        Console.WriteLine(Escaped(JsonSerializer.Serialize(value, new JsonSerializerOptions(Options) { WriteIndented = false })));

    // Only texts hold such characters, and there an escape means the same.
    private static string Escaped(string json)
    {
        var result = new StringBuilder(json.Length);
        foreach (var rune in json.EnumerateRunes())
        {
            if (rune.Value is '\n' or '\r' || !VisibleWriter.Hidden(rune))
                result.Append(rune);
            else
                foreach (var unit in rune.ToString())
                    result.Append(CultureInfo.InvariantCulture, $"\\u{(int)unit:x4}");
        }

        return result.ToString();
    }
}
