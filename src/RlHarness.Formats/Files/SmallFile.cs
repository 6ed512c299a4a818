using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Unicode;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;

namespace RlHarness.Formats.Files;

/// <summary>Reads settings and vocabularies whole, after a look at what lies at the path: its length, and how it begins.</summary>
public static class SmallFile
{
    /// <summary>The largest config.json and the like; those of published models have a few kilobytes.</summary>
    public const long LargestSettings = 16L << 20;

    /// <summary>The largest tokenizer.json; the largest in use has 35 MB.</summary>
    public const long LargestVocabulary = 512L << 20;

    /// <summary>All bytes of a file.</summary>
    public static byte[] Read(string path, string kind, long largest)
    {
        TextFile.Check(path, kind, largest);
        try
        {
            return File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw HarnessException.BadFile(path, "cannot be read", e.Message, kind, "check its permissions", e);
        }
    }

    /// <summary>All bytes of a file that holds a JSON object; how it begins is looked at before the rest is read.</summary>
    public static byte[] ReadJson(string path, string kind, long largest = LargestSettings)
    {
        TextFile.Check(path, kind, largest);
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            var head = new byte[Math.Min(4096, stream.Length)];
            stream.ReadExactly(head);
            var first = head.AsSpan().TrimStart("\uFEFF"u8).TrimStart(" \t\r\n"u8);
            if (first.Length > 0 && first[0] != (byte)'{')
                throw NotJson(path, $"it begins with {Shown(first[0])}", kind);
            if (first.Length == 0 && stream.Length > head.Length)
                throw NotJson(path, "more than 4096 bytes of white space", kind);
            stream.Position = 0;
            var bytes = new byte[stream.Length];
            stream.ReadExactly(bytes);
            // A byte order mark is not part of JSON, but Windows editors write one.
            return bytes.AsSpan().StartsWith("\uFEFF"u8) ? bytes[3..] : bytes;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw HarnessException.BadFile(path, "cannot be read", e.Message, kind, "check its permissions", e);
        }
    }

    /// <summary>A file's JSON object. A key that comes twice, and text that no encoding of Unicode can hold, are refused.</summary>
    /// <exception cref="HarnessException">The file is not what it should be.</exception>
    public static JsonObject ReadObject(string path, string kind, long largest = LargestSettings)
    {
        var bytes = ReadJson(path, kind, largest);
        try
        {
            if (!Utf8.IsValid(bytes))
                throw new JsonException("bytes that are not UTF-8");
            var json = TextFile.ParseJson(bytes);
            return json.ValueKind == JsonValueKind.Object ? JsonObject.Create(json)! : throw new JsonException("no object");
        }
        catch (Exception e) when (e is JsonException or ArgumentException)
        {
            throw NotJson(path, e.Message, kind, e);
        }
    }

    private static string Shown(byte first) =>
        first is > 32 and < 127 ? $"'{(char)first}'" : string.Create(System.Globalization.CultureInfo.InvariantCulture, $"byte 0x{first:x2}");

    private static HarnessException NotJson(string path, string found, string kind, Exception? inner = null) =>
        HarnessException.BadFile(path, "not a JSON object", found, kind, "fetch the file again", inner);
}
