using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;

namespace RlHarness.Experiment.Documents;

/// <summary>Documents of the user's own: a folder of .txt files (one document each) and .jsonl files (one <c>{"text": …}</c> a line).</summary>
public static class UserDocuments
{
    /// <summary>All documents, by file name and then by line.</summary>
    /// <exception cref="HarnessException">The folder is missing or empty, or a line is no object with a text.</exception>
    public static IReadOnlyList<SyntheticDocument> Read(string folder)
    {
        var documents = new List<SyntheticDocument>();
        foreach (var file in Files(folder))
        {
            var name = Path.GetFileName(file);
            if (file.EndsWith(".txt", StringComparison.Ordinal))
            {
                documents.Add(new(name, null, TextFile.Read(file, "a document").Trim()));
                continue;
            }

            var number = 0;
            foreach (var line in TextFile.Lines(file, "documents, one a line"))
            {
                number++;
                if (!string.IsNullOrWhiteSpace(line))
                    documents.Add(new($"{name}:{number}", null, TextOf(line, $"{file}:{number}")));
            }
        }

        documents.RemoveAll(d => d.Text.Length == 0);
        return documents.Count > 0
            ? documents
            : throw HarnessException.BadFile(
                folder,
                "no documents",
                "neither a .txt nor a .jsonl file with text",
                "a folder of .txt files, or of .jsonl files with {\"text\": …} lines"
            );
    }

    /// <summary>SHA-256 of names and contents, for cache keys.</summary>
    public static string Hash(string folder)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var file in Files(folder))
        {
            hash.AppendData(Encoding.UTF8.GetBytes(Path.GetFileName(file) + "\n"));
            TextFile.Check(file, "a document", TextFile.Largest);
            hash.AppendData(File.ReadAllBytes(file));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static IEnumerable<string> Files(string folder)
    {
        if (!Directory.Exists(folder))
            throw HarnessException.BadFile(
                folder,
                "no such folder of documents",
                "nothing at this path",
                "a folder of .txt or .jsonl files",
                "correct documents.path"
            );
        return Directory
            .EnumerateFiles(folder)
            .Where(f => f.EndsWith(".txt", StringComparison.Ordinal) || f.EndsWith(".jsonl", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal);
    }

    private static string TextOf(string line, string where)
    {
        try
        {
            using var json = JsonDocument.Parse(line);
            return json.RootElement.GetProperty("text").GetString()!.Trim();
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or NullReferenceException)
        {
            throw HarnessException.BadFile(where, "not a document", line.Length > 80 ? line[..80] + " …" : line, "{\"text\": …}", inner: e);
        }
    }
}
