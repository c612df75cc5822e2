// Goes to the page that the browser was told to prepare, when the server says so.
await fetch('/show')
location.href = '/' + location.search
