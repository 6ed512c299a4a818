using System.Text.Json;
using RlHarness.Formats.Tokenizers;

namespace RlHarness.Tools.Fidelity;

/// <summary>Golden texts of a tokenizer: ids, offsets, decoded and streamed text, equal exactly.</summary>
internal static class TokenizerCases
{
    internal static ExactCount Of(string folder, Tokenizer tokenizer)
    {
        var (equal, total) = (0, 0);
        void Check(bool same) => (equal, total) = (equal + (same ? 1 : 0), total + 1);

        foreach (var row in Rows(folder, "cases.json"))
        {
            var text = row.GetProperty("text").GetString()!;
            var ids = Ids(row, "ids");
            Check(ids.SequenceEqual(tokenizer.Encode(text)));
            Check(Ids(row, "ids_with_special").SequenceEqual(tokenizer.Encode(text, addSpecialTokens: true)));
            Check(row.GetProperty("decoded").GetString() == tokenizer.Decode(ids));
            Check(row.GetProperty("decoded_skip_special").GetString() == tokenizer.Decode(ids, skipSpecialTokens: true));
            var offsets = row.GetProperty("offsets").EnumerateArray().Select(pair => (pair[0].GetInt32(), pair[1].GetInt32()));
            Check(offsets.SequenceEqual(tokenizer.EncodeWithSpans(text).Spans.Select(span => (CodePoints(text, span.Start), CodePoints(text, span.End)))));
        }

        foreach (var row in Rows(folder, "random.json"))
            Check(Ids(row, "ids").SequenceEqual(tokenizer.Encode(row.GetProperty("text").GetString()!)));
        foreach (var row in Rows(folder, "decode.json"))
            Check(row.GetProperty("decoded").GetString() == tokenizer.Decode(Ids(row, "ids")));
        foreach (var row in Rows(folder, "streaming.json"))
        {
            var decoder = tokenizer.CreateStreamingDecoder(row.GetProperty("skip_special_tokens").GetBoolean());
            Check(row.GetProperty("text").GetString() == string.Concat(Ids(row, "ids").Select(decoder.Add)) + decoder.Finish());
        }

        return new ExactCount("tokenizers", Path.GetFileName(folder), equal, total);
    }

    /// <summary>Golden offsets count code points, .NET's strings UTF-16 units.</summary>
    internal static int CodePoints(string text, int units) => text.AsSpan(0, units).ToString().EnumerateRunes().Count();

    private static IEnumerable<JsonElement> Rows(string folder, string file)
    {
        if (!File.Exists(Path.Combine(folder, file)))
            return [];
        using var json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, file)));
        return [.. json.RootElement.Clone().EnumerateArray()];
    }

    private static int[] Ids(JsonElement row, string key) => [.. row.GetProperty(key).EnumerateArray().Select(id => id.GetInt32())];
}
