using RlHarness.Core.Files;

namespace RlHarness.Core.Tests.Files;

[Trait("kind", "contract")]
public class AtomicFileTests
{
    [Fact]
    public void A_write_that_fails_leaves_what_was_there_and_nothing_beside_it()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("a/b.txt", "before");
        Assert.Throws<InvalidOperationException>(() => AtomicFile.Write(path, stream =>
            {
                stream.Write("half"u8);
                throw new InvalidOperationException();
            }));
        Assert.Equal("before", File.ReadAllText(path));
        Assert.Single(Directory.GetFiles(folder.At("a")));
    }

    [Fact]
    public void A_write_replaces_the_file_and_makes_its_folder()
    {
        using var folder = new TemporaryFolder();
        var path = folder.At("new", "c.txt");
        AtomicFile.WriteAllText(path, "one");
        AtomicFile.WriteAllText(path, "zwei ä");
        Assert.Equal("zwei ä", File.ReadAllText(path));
        Assert.Single(Directory.GetFiles(folder.At("new")));
    }
}
