namespace RlHarness.Tests;

/// <summary>The checkout that these tests were built from.</summary>
internal static class Repository
{
    /// <summary>The nearest folder above the tests that has Directory.Packages.props, which stands at the top of the repository and nowhere else.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>A file or folder of the repository, named from its top.</summary>
    public static string At(params string[] parts) => Path.Combine([Root, .. parts]);

    private static string FindRoot()
    {
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
            if (File.Exists(Path.Combine(at.FullName, "Directory.Packages.props")))
                return at.FullName;
        throw new InvalidOperationException($"Directory.Packages.props is in no folder above {AppContext.BaseDirectory}: run the tests inside the checkout");
    }
}
