using System.Text.Json;
using RlHarness.Core.Errors;

namespace RlHarness.Core.Files;

/// <summary>
/// Reads text and JSON whole, after a look at what lies at the path: it may be a pipe, a device, or far larger than anything that is written there.
/// </summary>
public static class TextFile
{
    /// <summary>The largest file that is read whole; a sparse file of terabytes is larger.</summary>
    public const long Largest = 1L << 30;

    /// <summary>
    /// Refuses what is not a file with content. A pipe or a device has no length, and is recognised before it is opened: opening would wait for a writer.
    /// </summary>
    /// <exception cref="HarnessException">Nothing, a folder, something without a length, or more than <paramref name="largest"/> bytes.</exception>
    public static long Check(string path, string kind, long largest = long.MaxValue)
    {
        if (Directory.Exists(path))
            throw HarnessException.BadFile(path, "is a folder", "a folder", kind);
        long length;
        try
        {
            var file = new FileInfo(path);
            // FileInfo answers for a link; what counts is what it leads to.
            if (file.LinkTarget is not null && file.ResolveLinkTarget(returnFinalTarget: true) is FileInfo target)
                file = target;
            if (!file.Exists)
                throw HarnessException.BadFile(path, "no such file", "nothing at this path", kind, "check the path");
            length = file.Length;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw HarnessException.BadFile(path, "cannot be read", e.Message, kind, "check the path and its permissions", e);
        }

        if (length == 0)
            throw HarnessException.BadFile(path, "has no content", "an empty file, a pipe or a device", kind, "fetch or write the file again");
        if (length > largest)
            throw HarnessException.BadFile(path, $"is too large for {kind}", $"{length} bytes", $"at most {largest} bytes", "fetch the file again");
        return length;
    }

    /// <summary>The text of a file.</summary>
    /// <exception cref="HarnessException">It is no file with content, or cannot be read.</exception>
    public static string Read(string path, string kind, long largest = Largest)
    {
        Check(path, kind, largest);
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw HarnessException.BadFile(path, "cannot be read", e.Message, kind, "check its permissions", e);
        }
    }

    /// <summary>The lines of a file, one after another.</summary>
    /// <exception cref="HarnessException">It is no file with content, or cannot be read.</exception>
    public static IEnumerable<string> Lines(string path, string kind)
    {
        Check(path, kind, Largest);
        return File.ReadLines(path);
    }

    /// <summary>A record as this program wrote it. A part that is missing, null or of another type is refused where the options ask for it.</summary>
    /// <param name="kind">What the file holds: "a probe's result".</param>
    /// <param name="remedy">What to do about a file that holds something else.</param>
    /// <exception cref="HarnessException">It is something else.</exception>
    public static T ReadJson<T>(string path, string kind, string remedy, JsonSerializerOptions? options = null)
    {
        var text = Read(path, kind);
        try
        {
            return JsonSerializer.Deserialize<T>(text, options) ?? throw new JsonException("null");
        }
        catch (Exception e) when (IsOfForm(e))
        {
            throw HarnessException.BadFile(path, $"not {kind}", e.Message.ReplaceLineEndings(" "), kind, remedy, e);
        }
    }

    /// <summary>
    /// A JSON value of which no key comes twice and each text can be read. One with half of a surrogate pair passes the parser of .NET and fails when it is
    /// read: here, where it is known whose it is, and not where it is used.
    /// </summary>
    /// <param name="json">UTF-8.</param>
    /// <exception cref="JsonException">It is none.</exception>
    public static JsonElement ParseJson(ReadOnlyMemory<byte> json, int maxDepth = 64)
    {
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = maxDepth });
            CheckTexts(document.RootElement);
            return document.RootElement.Clone();
        }
        catch (InvalidOperationException e)
        {
            throw new JsonException(e.Message, e);
        }
    }

    private static void CheckTexts(JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (var property in value.EnumerateObject())
                    CheckTexts(property.Value);
                break;
            case JsonValueKind.Array:
                foreach (var item in value.EnumerateArray())
                    CheckTexts(item);
                break;
            case JsonValueKind.String:
                value.GetString();
                break;
        }
    }

    /// <summary>Options for records of this program: nothing may be missing or null that a record has to have, and no key may come twice.</summary>
    public static JsonSerializerOptions Strict(JsonSerializerOptions options) =>
        new(options)
        {
            RespectNullableAnnotations = true,
            RespectRequiredConstructorParameters = true,
            AllowDuplicateProperties = false,
        };

    /// <summary>Whether an error is about a text's form, whichever part of the reader threw it.</summary>
    public static bool IsOfForm(Exception error) =>
        error
            is JsonException
                or InvalidOperationException
                or ArgumentException
                or FormatException
                or OverflowException
                or NotSupportedException
                or InvalidCastException
                or KeyNotFoundException
                or NullReferenceException;
}
