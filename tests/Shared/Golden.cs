namespace RlHarness.Tests;

/// <summary>Finds the golden files that other implementations wrote, and models for tests; says where it looked when they are absent.</summary>
internal static class Golden
{
    public static string? Root { get; } = Find("RLHARNESS_GOLDEN", "golden");

    public static string? Models { get; } = Find("RLHARNESS_MODELS", "models");

    /// <summary>The folder or file under the golden root; skips the test, with the reason, where it is absent.</summary>
    public static string Require(params string[] parts)
    {
        Skip.If(Root is null, "no golden files: set RLHARNESS_GOLDEN, or lay them in ../shared/golden beside the checkout");
        var path = Path.Combine([Root!, .. parts]);
        Skip.IfNot(Path.Exists(path), $"golden case absent: {path}");
        return path;
    }

    public static string RequireModel(params string[] parts)
    {
        Skip.If(Models is null, "no models: set RLHARNESS_MODELS, or lay them in ../shared/models beside the checkout");
        var path = Path.Combine([Models!, .. parts]);
        Skip.IfNot(Path.Exists(path), $"model absent: {path}");
        return path;
    }

    /// <summary>Sub-folders (or files) of a golden folder, for theories; one empty row when absent, so that the theory can skip aloud.</summary>
    public static TheoryData<string> Cases(string folder, string pattern = "*")
    {
        var data = new TheoryData<string>();
        var path = Root is null ? null : Path.Combine(Root, folder);
        if (path is not null && Directory.Exists(path))
            foreach (var entry in Directory.EnumerateFileSystemEntries(path, pattern).Order(StringComparer.Ordinal))
                data.Add(Path.GetFileName(entry));
        if (data.Count == 0)
            data.Add("");
        return data;
    }

    private static string? Find(string variable, string name)
    {
        if (Environment.GetEnvironmentVariable(variable) is { Length: > 0 } set)
            return Directory.Exists(set) ? set : null;
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            var candidate = Path.Combine(at.FullName, "..", "shared", name);
            if (File.Exists(Path.Combine(at.FullName, "RlHarness.sln")) && Directory.Exists(candidate))
                return Path.GetFullPath(candidate);
        }

        return null;
    }
}
