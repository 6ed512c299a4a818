namespace RlHarness.Tests;

/// <summary>
/// Finds the golden files that other implementations wrote, and models for tests. Golden files come from the folder in RLHARNESS_GOLDEN alone where it
/// is set; otherwise from tests/golden, and from ../shared/golden beside the checkout for what the repository doesn't hold.
/// </summary>
internal static class Golden
{
    private const string GoldenVariable = "RLHARNESS_GOLDEN",
        ModelsVariable = "RLHARNESS_MODELS";

    private static readonly string[] Roots = Folders(GoldenVariable, Repository.At("tests", "golden"), Repository.At("..", "shared", "golden"));

    private static readonly string[] ModelRoots = Folders(ModelsVariable, Repository.At("..", "shared", "models"));

    /// <summary>The folder or file of that name among the golden files; skips the test, with the reason, where it is absent.</summary>
    public static string Require(params string[] parts) =>
        Find(Roots, parts)
        ?? Skip(
            $"The golden files {string.Join('/', parts.Take(2))} are not in the repository (tests/golden/README.md says why): "
                + $"lay them in ../shared/golden beside the checkout, or set {GoldenVariable} to a folder that has them."
        );

    /// <summary>The folder or file of that name among the models; skips the test, with the reason, where it is absent.</summary>
    public static string RequireModel(params string[] parts) =>
        Find(ModelRoots, parts)
        ?? Skip(
            $"The model {parts[0]} is not here: lay its folder in ../shared/models beside the checkout, or set {ModelsVariable} to the folder that holds it."
        );

    /// <summary>Names of the sub-folders and files of a golden folder, in order. There is at least one: a theory without a row would pass.</summary>
    public static IReadOnlyList<string> Names(string folder, string pattern = "*") =>
        Roots
            .Select(root => Path.Combine(root, folder))
            .Where(Directory.Exists)
            .SelectMany(path => Directory.EnumerateFileSystemEntries(path, pattern))
            .Select(entry => Path.GetFileName(entry))
            .Distinct()
            .Order(StringComparer.Ordinal)
            .AtLeastOne($"{folder}/{pattern} in {string.Join(", ", Roots)}");

    private static string? Find(string[] roots, string[] parts) => roots.Select(root => Path.Combine([root, .. parts])).FirstOrDefault(Path.Exists);

    private static string[] Folders(string variable, params string[] otherwise)
    {
        if (Environment.GetEnvironmentVariable(variable) is not { Length: > 0 } set)
            return [.. otherwise.Select(Path.GetFullPath)];
        return Directory.Exists(set) ? [set] : throw new DirectoryNotFoundException($"{variable} is {set}, and there is no such folder");
    }

    private static string Skip(string reason)
    {
        Assert.Skip(reason);
        return reason;
    }
}
